"""The results of all runs of a folder: JSON for programs, a table for people."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from training.trial.results import RunResult, TrialSetup
from training.trial.segmentation_scores import SegmentationScores
from training.trial.settings import ARMS
from training.trial.trial_data import TrialData

_COLUMNS = {
    "dice": "Dice",
    "precision": "precision",
    "recall": "recall",
    "density_error": "density error",
    "cv_error": "CV error",
    "hexagonality_error": "HEX error",
}
_PERCENT = {"density_error", "cv_error", "hexagonality_error"}


class FolderRoles(BaseModel):
    """Which images of a folder were trained on and scored.

    Attributes:
        training: file names.
        tested: file names.
        factor: by which the tested ones were resized.
    """

    model_config = ConfigDict(frozen=True)

    training: tuple[str, ...]
    tested: tuple[str, ...]
    factor: float


class SeedSpread(BaseModel):
    """A score over the seeds.

    Attributes:
        mean: over the seeds.
        deviation: sample standard deviation over the seeds; None for a single one.
    """

    model_config = ConfigDict(frozen=True)

    mean: float
    deviation: float | None


class ArmSummary(BaseModel):
    """One arm on one test set.

    Attributes:
        label: the arm, with its labelled source.
        test_set: name of the folder.
        seeds: whose results these are.
        mean: by name of the score: mean over the images, of the absolute errors.
        pooled: by name of the score: all images as one, errors signed.
        dice_against_real: `mean` Dice minus that of the arm `real`; None for `real`, or without it.
    """

    model_config = ConfigDict(frozen=True)

    label: str
    test_set: str
    seeds: tuple[int, ...]
    mean: dict[str, SeedSpread]
    pooled: dict[str, SeedSpread]
    dice_against_real: float | None


class TrialReport(BaseModel):
    """Setup, images, versions, summaries and every result of a folder."""

    model_config = ConfigDict(frozen=True)

    setup: TrialSetup
    data: dict[str, FolderRoles]
    versions: dict[str, str]
    summaries: tuple[ArmSummary, ...]
    results: tuple[RunResult, ...]


def make_trial_report(
    setup: TrialSetup, data: TrialData, versions: dict[str, str], results: Sequence[RunResult]
) -> TrialReport:
    """Combine results, at least one, sorted by arm, source and seed."""
    ordered = sorted(results, key=lambda result: (ARMS.index(result.arm), result.source or "", result.seed))
    return TrialReport(
        setup=setup,
        data=_folder_roles(data),
        versions=versions,
        summaries=tuple(_summaries(ordered)),
        results=tuple(ordered),
    )


def markdown_table(report: TrialReport) -> str:
    """Return the summaries as a table: means over images, mean ± standard deviation over seeds."""
    head = ["test set", "trained on", "seeds", *_COLUMNS.values(), "Dice against real"]
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for summary in report.summaries:
        cells = [summary.test_set, summary.label, str(len(summary.seeds))]
        cells += [_cell(summary.mean.get(name), percent=name in _PERCENT) for name in _COLUMNS]
        gain = summary.dice_against_real
        cells.append("" if gain is None else f"{100 * gain:+.1f} points")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _folder_roles(data: TrialData) -> dict[str, FolderRoles]:
    training = {chosen.name: chosen.images for chosen in data.training}
    tested = {chosen.name: chosen for chosen in data.tests}
    return {
        name: FolderRoles(
            training=tuple(image.file for image in training.get(name, [])),
            tested=tuple(image.file for image in tested[name].images) if name in tested else (),
            factor=tested[name].factor if name in tested else 1.0,
        )
        for name in dict.fromkeys([*training, *tested])
    }


def _summaries(results: Sequence[RunResult]) -> list[ArmSummary]:
    """Return one summary per test set and label; `real` comes first, as in the results."""
    summaries = []
    for name in results[0].sets:
        real: float | None = None
        for label in dict.fromkeys(result.label for result in results):
            found = [result for result in results if result.label == label]
            mean = _spreads([result.sets[name].mean for result in found])
            dice = mean["dice"].mean
            summaries.append(
                ArmSummary(
                    label=label,
                    test_set=name,
                    seeds=tuple(result.seed for result in found),
                    mean=mean,
                    pooled=_spreads([result.sets[name].pooled for result in found]),
                    dice_against_real=None if real is None else dice - real,
                )
            )
            real = dice if label == "real" else real
    return summaries


def _spreads(scores: Sequence[SegmentationScores]) -> dict[str, SeedSpread]:
    """Return mean and spread of each score that is known for every seed."""
    spreads = {}
    for name in _COLUMNS:
        values = [value for found in scores if (value := getattr(found, name)) is not None]
        if len(values) == len(scores):
            deviation = statistics.stdev(values) if len(values) > 1 else None
            spreads[name] = SeedSpread(mean=statistics.fmean(values), deviation=deviation)
    return spreads


def _cell(spread: SeedSpread | None, *, percent: bool) -> str:
    if spread is None:
        return "not known"
    scale, digits, unit = (100, 1, " %") if percent else (1, 3, "")
    text = f"{scale * spread.mean:.{digits}f}"
    if spread.deviation is not None:
        text += f" ± {scale * spread.deviation:.{digits}f}"
    return text + unit
