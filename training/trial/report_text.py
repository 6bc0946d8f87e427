"""The report of a trial as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from training.trial.bootstrap import RESAMPLES
from training.trial.report import ArmResult, Number, TrialReport
from training.trial.settings import TrialSettings

_COLUMNS = {
    "f1": ("cells found, F1", 3, 1.0, ""),
    "density_error": ("density error, mean", 1, 100.0, " %"),
    "density_error_median": ("median", 1, 100.0, " %"),
    "density_bias": ("bias, mean", 1, 100.0, " %"),
    "density_bias_median": ("median", 1, 100.0, " %"),
    "density_within_10_percent": ("within 10 %", 0, 100.0, " %"),
    "cv_error": ("CV error", 1, 100.0, " %"),
    "hexagonality_error": ("HEX error", 1, 100.0, " %"),
    "border_f1": ("border F1, 2 px", 3, 1.0, ""),
}
"""By measure: heading, decimals, factor and unit."""

_SIGNED = ("density_bias", "density_bias_median")
_COMPARED = ("f1", "density_error", "density_within_10_percent", "border_f1")

ANCHORS = (
    "For comparison: automated density within 2.5 % of manual on Topcon images (Vigueras-Guillén et al., "
    "TVST 2020); 93 % of images within 10 % (eye banks, 2024)."
)


def markdown_report(report: TrialReport, against: Sequence[str] = ()) -> str:
    """Return tables of the test sets, the scores, the differences, and how each training ended.

    Args:
        report: of a trial.
        against: labels of arms that the others are compared with; by default the first arm.
    """
    reference = [label for label in against if any(arm.label == label for arm in report.arms)]
    return (
        "\n\n".join(
            [
                _folder_table(report),
                _score_table(report),
                "Means over images (medians where it says so), in brackets the 95 % interval over images "
                f"({RESAMPLES:,} bootstrap samples), ± the standard deviation over seeds. Errors are "
                "relative to the reader's value; bias is signed, positive where too many cells are "
                f"counted. {ANCHORS}",
                _difference_table(report, reference or [report.arms[0].label]),
                "Differences on the same images, in points (of 100), with their 95 % interval over images; "
                "± the standard deviation over seeds. A higher F1 and a lower error are better.",
                _convergence_table(report),
                _how_known(report.settings),
                f"Training: {report.training}",
                f"Scores: {report.scoring}",
            ]
        )
        + "\n"
    )


def _folder_table(report: TrialReport) -> str:
    rows = [
        [
            name,
            str(len(role.training)),
            str(len(role.tested)),
            str(role.cells),
            "" if role.factor == 1 else f"{role.factor:.2f}",
        ]
        for name, role in report.folders.items()
    ]
    return _table(["images", "to train on", "scored", "cells in them", "resized by"], rows)


def _score_table(report: TrialReport) -> str:
    rows = []
    for summary in report.summaries:
        row = [summary.test_set, summary.label, str(len(summary.seeds))]
        for name, (_, digits, scale, unit) in _COLUMNS.items():
            number = summary.numbers.get(name)
            row.append("" if number is None else _text(number, digits, scale, unit, signed=name in _SIGNED))
        rows.append(row)
    return _table(["test set", "trained on", "seeds", *(name for name, *_ in _COLUMNS.values())], rows)


def _difference_table(report: TrialReport, against: Sequence[str]) -> str:
    rows = []
    for found in report.differences:
        if found.against in against:
            rows.append(_difference_row(found.test_set, found.label, found.against, found.numbers))
        if found.label in against:
            turned = {name: number.turned_round() for name, number in found.numbers.items()}
            rows.append(_difference_row(found.test_set, found.against, found.label, turned))
    return _table(["test set", "trained on", "minus", *(_COLUMNS[name][0] for name in _COMPARED)], rows)


def _difference_row(test_set: str, label: str, against: str, numbers: dict[str, Number]) -> list[str]:
    texts = [
        _text(numbers[name], 1, 100.0, "", signed=True) if name in numbers else "" for name in _COMPARED
    ]
    return [test_set, label, against, *texts]


def _convergence_table(report: TrialReport) -> str:
    rows: dict[str, list[str]] = {}
    for result in report.results:
        for k, stage in enumerate(result.stages):  # a stage that arms share stands here once
            rows.setdefault(stage.digest, _convergence_row(result, k))
    return _table(
        [
            "trained on",
            "seed",
            "stage",
            "steps",
            "best after",
            "loss before",
            "best loss",
            "ended by",
            "minutes",
        ],
        list(rows.values()),
    )


def _convergence_row(result: ArmResult, stage: int) -> list[str]:
    found = result.stages[stage].convergence
    return [
        result.label,
        str(result.seed),
        str(stage + 1),
        f"{found.steps:,}",
        f"{found.best_step:,}",
        f"{found.validations[0].loss:.3f}",
        f"{found.best_loss:.3f}",
        found.ended,
        f"{found.seconds / 60:.0f}",
    ]


def _how_known(settings: TrialSettings) -> str:
    return (
        "How it is known that a segmenter no longer gains: every "
        f"{settings.validate_every} steps its loss is computed on images that it does not learn from; "
        f"after {settings.patience} times in a row without a fall by {100 * settings.least_gain:g} % the "
        f"best weights go on at {settings.drop:g} of the learning rate, and after {settings.drops} "
        "such drops and as many times more training ends (`no gain`). `step limit` means that it had "
        f"not ended after {settings.most_steps:,} steps."
    )


def _text(number: Number, digits: int, scale: float, unit: str, *, signed: bool) -> str:
    form = f"{'+' if signed else ''}.{digits}f"
    found = number.over_images
    text = f"{scale * found.value:{form}}"
    if found.low is not None and found.high is not None:
        text += f" [{scale * found.low:{form}}, {scale * found.high:{form}}]"
    if number.deviation is not None:
        text += f" ± {scale * number.deviation:.{digits}f}"
    return text + unit


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])
