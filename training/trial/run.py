"""Train and score every arm with every seed; skip what is done."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np
from torch import nn
from tqdm import tqdm

from endotwin.generator.device import describe_device
from training.trial.batches import BorderBatch, RealBatches, SyntheticBatches
from training.trial.figures import plot_dice_by_arm, plot_segmenter_losses, save_overlays
from training.trial.labelled_source import LabelledSource
from training.trial.report import TrialReport, make_trial_report, markdown_table
from training.trial.results import ResultFolder, RunResult, TrialSetup, label_of, protocol_text, run_name
from training.trial.segmentation_scores import SetScore, score_image, summarise
from training.trial.segmenter import border_probability, train_segmenter
from training.trial.settings import SYNTHETIC_SHARE, WITHOUT_SOURCE, Arm, TrialSettings
from training.trial.trial_data import TestSet, TrialData

_SHOWN = 4
_LOSSES = 100


def run_trial(
    data: TrialData,
    settings: TrialSettings,
    folder: Path,
    *,
    arms: Sequence[Arm],
    seeds: Sequence[int],
    source: LabelledSource | None,
    device: str = "cpu",
    quiet: bool = False,
) -> TrialReport:
    """Train and score one segmenter per arm and seed, and report on all that the folder holds.

    Each result is written when it is done; the same call resumes after the last one. On a CPU results
    depend on the seed alone, whatever was run before. The folder then holds `setup.json`,
    `results/RUN.json`, `pictures/RUN/SET.png` (these show real images), `trial.json`, `trial.md`,
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
    setup = TrialSetup(settings=settings, protocol=protocol_text(), data_digest=data.digest())
    results = ResultFolder(folder, setup)
    for seed in seeds:
        for arm in arms:
            used = source if arm not in WITHOUT_SOURCE else None
            if not results.has(arm, used.name if used else None, seed):
                results.add(_run(data, settings, folder, arm, seed, used, device, quiet))
    versions = {name: version(name) for name in ("torch", "monai", "scikit-image", "scipy")}
    report = make_trial_report(setup, data, versions, results.all())
    plot_dice_by_arm(report, folder / "dice.png")
    plot_segmenter_losses(report, folder / "losses.png")
    results.write("trial.md", markdown_table(report))
    results.write("trial.json", report.model_dump_json(indent=2) + "\n")
    return report


def _run(
    data: TrialData,
    settings: TrialSettings,
    folder: Path,
    arm: Arm,
    seed: int,
    source: LabelledSource | None,
    device: str,
    quiet: bool,
) -> RunResult:
    name = source.name if source else None
    started = time.monotonic()
    with tqdm(total=settings.steps, desc=f"{label_of(arm, name)}, seed {seed}", disable=quiet) as bar:

        def progress(loss: float) -> None:
            bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
            bar.update()

        segmenter, losses = train_segmenter(
            _batches(data, settings, arm, seed, source),
            seed=seed,
            steps=settings.steps,
            learning_rate=settings.learning_rate,
            device=device,
            progress=progress,
        )
    seconds = time.monotonic() - started
    pictures = folder / "pictures" / run_name(arm, name, seed)
    return RunResult(
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
    data: TrialData, settings: TrialSettings, arm: Arm, seed: int, source: LabelledSource | None
) -> Callable[[int], BorderBatch]:
    real = RealBatches((data.with_tests() if arm == "ceiling" else data).training, seed)
    if source is None:
        return real.batch
    synthetic = SyntheticBatches(source, seed, settings.steps)
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
