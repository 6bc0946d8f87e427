"""Train and score every arm with every seed; skip what is done."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from torch import nn

from endotwin.generator.device import describe_device
from endotwin.segmentation.network import new_segmenter
from training.progress import show_progress
from training.trial.arms import Arm, Stage
from training.trial.convergence import train_until_no_gain
from training.trial.figures import plot_curve, plot_scores, plot_validation, save_overlays
from training.trial.report import ArmResult, TrialReport, make_trial_report
from training.trial.report_text import markdown_report
from training.trial.results import ResultFolder, SetResult, TrainedSegmenter, segmenter_digest
from training.trial.segmentation_scores import score_image
from training.trial.segmenter import predict
from training.trial.settings import TrialSettings
from training.trial.test_sets import TestSet, zoom_between
from training.trial.trial_data import TrialData

_SHOWN = 4


def run_trial(
    data: TrialData,
    arms: Sequence[Arm],
    settings: TrialSettings,
    folder: Path,
    *,
    seeds: Sequence[int],
    against: Sequence[str] = (),
    device: str = "cpu",
    train: bool = True,
    quiet: bool = False,
) -> TrialReport | None:
    """Train and score one segmenter per arm and seed, and report on those that are done.

    Segmenters and scores lie in the folder under a digest of all that they depend on, so that a stopped
    trial goes on where it was, in this session or in another, and another arm, seed or test set costs only
    what is new. The report is written after each of them: `trial.json` and `trial.md`; at the end
    also `scores.png`, `validation.png`, and `curve.png` if arms differ in their number of annotated images.
    `pictures/` shows real images.

    Args:
        data: what is scored, and the images behind `arms`.
        arms: at least one.
        settings: when training ends.
        folder: made if it is new.
        seeds: at least one, 0 to 1,023.
        against: labels of arms that the report compares the others with; by default the first arm.
        device: torch device.
        train: False to report on what is there, only.
        quiet: no progress bars.

    Returns:
        The report; None if nothing is done and nothing is trained.
    """
    results = ResultFolder(folder)
    done: list[ArmResult] = []
    report = None
    try:
        for seed in seeds:
            for arm in arms:
                trained = _trained(results, settings, arm, seed, device, train=train, quiet=quiet)
                if trained is None:
                    continue
                sets = {chosen.name: _scored(results, trained[-1], chosen, device) for chosen in data.tests}
                done.append(ArmResult(label=arm.label, seed=seed, stages=tuple(trained), sets=sets))
                report = make_trial_report(settings, data, arms, done)
                results.write_text("trial.json", report.model_dump_json(indent=1) + "\n")
                results.write_text("trial.md", markdown_report(report, against))
    finally:
        if report is not None:
            plot_scores(report, folder / "scores.png")
            plot_curve(report, folder / "curve.png")
            plot_validation(report, folder / "validation.png")
    return report


def _trained(
    results: ResultFolder,
    settings: TrialSettings,
    arm: Arm,
    seed: int,
    device: str,
    *,
    train: bool,
    quiet: bool,
) -> list[TrainedSegmenter] | None:
    """Return the segmenter of each stage, trained if need be; None if it may not be."""
    found: list[TrainedSegmenter] = []
    for stage in arm.stages(seed):
        after = found[-1].digest if found else None
        digest = segmenter_digest(settings, seed, stage.digest, after)
        trained = results.segmenter(digest)
        if trained is None and not train:
            return None
        found.append(
            trained or _train(results, settings, arm.label, stage, seed, digest, after, device, quiet)
        )
    return found


def _train(
    results: ResultFolder,
    settings: TrialSettings,
    label: str,
    stage: Stage,
    seed: int,
    digest: str,
    after: str | None,
    device: str,
    quiet: bool,
) -> TrainedSegmenter:
    with show_progress(desc=f"{label}, seed {seed}", unit=" steps", disable=quiet) as bar:

        def progress(step: int, loss: float) -> None:
            bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
            bar.update(step - bar.n)

        weights, convergence = train_until_no_gain(
            stage,
            seed=seed,
            settings=settings,
            start=None if after is None else results.weights(after),
            folder=results.unfinished(digest),
            device=device,
            progress=progress,
        )
    trained = TrainedSegmenter(
        digest=digest,
        label=label,
        seed=seed,
        after=after,
        cell_area=stage.cell_area(),
        convergence=convergence,
        device=describe_device(device),
        versions={name: version(name) for name in ("torch", "scikit-image", "scipy")},
    )
    results.add_segmenter(trained, weights)
    return trained


def _scored(results: ResultFolder, trained: TrainedSegmenter, chosen: TestSet, device: str) -> SetResult:
    test_digest = chosen.digest()
    found = results.scores(trained.digest, test_digest)
    if found is not None:
        return found
    segmenter: nn.Module = new_segmenter(0)
    segmenter.load_state_dict(results.weights(trained.digest))
    segmenter.to(device)
    zoom = zoom_between(chosen.cell_area, trained.cell_area)
    probabilities = [
        predict(segmenter, plain, image.pixels.shape, zoom, device)
        for plain, image in zip(chosen.plain, chosen.images, strict=True)
    ]
    result = SetResult(
        zoom=zoom,
        images=tuple(
            score_image(probability, image)
            for probability, image in zip(probabilities, chosen.images, strict=True)
        ),
    )
    picture = results.path / "pictures" / trained.digest / f"{chosen.name}.png"
    save_overlays(chosen.images[:_SHOWN], probabilities[:_SHOWN], picture)
    results.add_scores(trained.digest, test_digest, result)
    return result
