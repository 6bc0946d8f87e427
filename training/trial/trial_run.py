"""Every arm with every seed: train, score, draw; what is done already is passed over."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np
from torch import nn
from tqdm import tqdm

from training.scores.evaluation import describe_device
from training.trial.batches import Batch, RealBatches, SyntheticBatches
from training.trial.fitting import fit
from training.trial.labelled_source import NamedSource
from training.trial.pictures import plot_dice, plot_losses, save_overlays
from training.trial.protocol import protocol
from training.trial.report import UtilityReport, make_report, markdown_table
from training.trial.results import Result, ResultFolder, Setup, label_of, run_name
from training.trial.scores import SetScore, score_image, summarise
from training.trial.segmenter import border_probability
from training.trial.settings import SYNTHETIC_SHARE, WITHOUT_SOURCE, Arm, UtilitySettings
from training.trial.trial_data import TestSet, UtilityData

_SHOWN = 4
_LOSSES = 100


def run_utility(
    data: UtilityData,
    settings: UtilitySettings,
    folder: Path,
    *,
    arms: Sequence[Arm],
    seeds: Sequence[int],
    source: NamedSource | None,
    device: str = "cpu",
    quiet: bool = False,
) -> UtilityReport:
    """Train and score one segmenter per arm and seed, and report on all that the folder holds.

    Each result is written when it is done; the same call goes on after the last one. On a CPU results
    depend on the seed alone, whatever was run before. The folder then holds `setup.json`,
    `results/RUN.json`, `pictures/RUN/SET.png` (these show real images), `utility.json`, `utility.md`,
    `dice.png` and `losses.png`.

    Args:
        data: what is trained on and scored.
        settings: one budget for all.
        folder: made if it is new; may hold results of other arms, sources and seeds.
        arms: at least one.
        seeds: at least one, 0 or more.
        source: the labelled images; None only if no arm needs them (`WITHOUT_SOURCE`).
        device: torch device.
        quiet: no progress bars.

    Raises:
        RunError: the folder holds results of other settings or other images.
        ValueError: an arm needs a source and there is none.
    """
    if source is None and not set(arms) <= set(WITHOUT_SOURCE):
        raise ValueError(f"the arms {', '.join(arms)} need a labelled source")
    setup = Setup(settings=settings, protocol=protocol(), data_digest=data.digest())
    results = ResultFolder(folder, setup)
    for seed in seeds:
        for arm in arms:
            used = source if arm not in WITHOUT_SOURCE else None
            if not results.has(arm, used.name if used else None, seed):
                results.add(_run(data, settings, folder, arm, seed, used, device, quiet))
    versions = {name: version(name) for name in ("torch", "monai", "scikit-image", "scipy")}
    report = make_report(setup, data, versions, results.all())
    plot_dice(report, folder / "dice.png")
    plot_losses(report, folder / "losses.png")
    results.write("utility.md", markdown_table(report))
    results.write("utility.json", report.model_dump_json(indent=2) + "\n")
    return report


def _run(
    data: UtilityData,
    settings: UtilitySettings,
    folder: Path,
    arm: Arm,
    seed: int,
    source: NamedSource | None,
    device: str,
    quiet: bool,
) -> Result:
    name = source.name if source else None
    started = time.monotonic()
    with tqdm(total=settings.steps, desc=f"{label_of(arm, name)}, seed {seed}", disable=quiet) as bar:

        def progress(loss: float) -> None:
            bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
            bar.update()

        segmenter, losses = fit(
            _batches(data, settings, arm, seed, source),
            seed=seed,
            steps=settings.steps,
            learning_rate=settings.learning_rate,
            device=device,
            progress=progress,
        )
    seconds = time.monotonic() - started
    pictures = folder / "pictures" / run_name(arm, name, seed)
    return Result(
        arm=arm,
        source=name,
        seed=seed,
        seconds=round(seconds, 1),
        device=describe_device(device),
        losses=tuple(float(np.mean(part)) for part in np.array_split(losses, min(_LOSSES, len(losses)))),
        sets={
            chosen.name: _score(segmenter, chosen, pictures / f"{chosen.name}.png", device)
            for chosen in data.tests
        },
    )


def _batches(
    data: UtilityData, settings: UtilitySettings, arm: Arm, seed: int, source: NamedSource | None
) -> Callable[[int], Batch]:
    real = RealBatches((data.with_tests() if arm == "ceiling" else data).training, seed)
    if source is None:
        return real.batch
    synthetic = SyntheticBatches(source.images, seed, settings.steps)
    until = settings.steps if arm == "synthetic" else round(SYNTHETIC_SHARE * settings.steps)
    return lambda step: synthetic.batch(step) if step < until else real.batch(step)


def _score(segmenter: nn.Module, chosen: TestSet, picture: Path, device: str) -> SetScore:
    probabilities = [border_probability(segmenter, image.pixels, device) for image in chosen.images]
    save_overlays(chosen.images[:_SHOWN], probabilities[:_SHOWN], picture)
    return summarise(
        [
            score_image(probability, image)
            for probability, image in zip(probabilities, chosen.images, strict=True)
        ]
    )
