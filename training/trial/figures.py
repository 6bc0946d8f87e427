"""Figures of a trial: predicted borders over images, scores by arm, gains by annotated images, validation.

Overlays show real images: they are written into the output folder only.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from endotwin.files import whole_file
from endotwin.samples.grid import draw_grid
from training.trial.annotated_images import AnnotatedImage
from training.trial.borders import thick, thin
from training.trial.report import ArmRole, Number, TrialReport
from training.trial.segmentation_scores import THRESHOLD
from training.trial.test_sets import TestImage

_ZOOM = 2
_GAP = 6
_BOTH, _ONLY_PREDICTED, _ONLY_EXPERT = (255, 220, 0), (255, 40, 40), (0, 200, 255)


def save_overlays(images: Sequence[TestImage], probabilities: Sequence[np.ndarray], path: Path) -> None:
    """Draw images twice as large, side by side: each as it is, and below it with the borders' centre lines.

    Yellow: predicted within a pixel of the expert's; red: only predicted; blue: only the expert's, or the
    centres that a reader counted. Outside the annotated area, which is darkened, nothing is drawn.

    Args:
        images: at least one.
        probabilities: of a border, float (H, W), one per image.
        path: the PNG; appears whole or not at all.
    """
    plain = [np.stack([image.pixels] * 3, axis=-1) for image in images]
    overlays = [
        _overlay(image, probability) for image, probability in zip(images, probabilities, strict=True)
    ]
    grid = draw_grid([*plain, *overlays], len(images), gap=_GAP)
    size = (grid.width * _ZOOM, grid.height * _ZOOM)
    with whole_file(path) as file:
        grid.resize(size, Image.Resampling.NEAREST).save(file, format="PNG")


def plot_scores(report: TrialReport, path: Path) -> None:
    """Draw F1 and density error of every arm on every test set, with intervals over images, into a PNG."""
    sets = list(dict.fromkeys(summary.test_set for summary in report.summaries))
    figure = Figure(figsize=(2.5 + 0.28 * len(sets) * (len(report.arms) + 1), 6.4), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, measure, label in zip(
        figure.subplots(2, sharex=True),
        ("f1", "density_error"),
        ("cells found, F1", "density error (mean)"),
        strict=True,
    ):
        for k, arm in enumerate(report.arms):
            places = np.arange(len(sets)) + (k - (len(report.arms) - 1) / 2) * 0.8 / len(report.arms)
            numbers = [_number(report, name, arm.label, measure) for name in sets]
            _draw_intervals(axes, places, numbers, "o", f"C{k % 10}", arm.label)
        axes.set(ylabel=label, ylim=(0, None))
        axes.grid(axis="y", alpha=0.25)
    axes.set_xticks(range(len(sets)), sets)
    handles, names = axes.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper center", fontsize=8, ncols=2)
    _save(figure, path)


def plot_curve(report: TrialReport, path: Path) -> bool:
    """Draw F1 and density error by the number of annotated images, alone and after synthetic, into a PNG.

    F1 begins at the tenth below the lowest interval, since all that differs lies near 1.

    Returns:
        Whether there is anything to draw: two numbers of images at least.
    """
    lines: dict[str, list[ArmRole]] = {}
    for arm in report.arms:
        if arm.kind == "real":
            lines.setdefault("real only", []).append(arm)
        elif arm.source is not None:
            lines.setdefault(f"synthetic {arm.source} first", []).append(arm)
    ticks = sorted({arm.count for arms in lines.values() for arm in arms})
    if len(ticks) < 3:
        return False
    for arms in lines.values():
        arms.sort(key=lambda arm: arm.count)
    sets = list(dict.fromkeys(summary.test_set for summary in report.summaries))
    figure = Figure(figsize=(1.0 + 2.6 * len(sets), 5.4), layout="constrained")
    FigureCanvasAgg(figure)
    rows = figure.subplots(2, len(sets), sharex=True, sharey="row", squeeze=False)
    for row, measure in zip(rows, ("f1", "density_error"), strict=True):
        for axes, name in zip(row, sets, strict=True):
            for k, (label, arms) in enumerate(lines.items()):
                numbers = [_number(report, name, arm.label, measure) for arm in arms]
                counts = np.log1p([arm.count for arm in arms])
                _draw_intervals(axes, counts, numbers, "o-", f"C{k}", label)
            axes.grid(alpha=0.25)
    for axes, name in zip(rows[0], sets, strict=True):
        axes.set_title(name)
    for axes in rows[1]:
        axes.set_xticks(np.log1p(ticks), [str(count) for count in ticks])
        axes.set_xlabel("annotated images")
    lowest = min(axes.dataLim.y0 for axes in rows[0])
    rows[0, 0].set(ylabel="cells found, F1", ylim=(min(0.9, np.floor(10 * lowest) / 10), 1.0))
    rows[1, 0].set(ylabel="density error (mean)", ylim=(0, None))
    # Every set has an F1, not every one a density.
    figure.legend(*rows[0, 0].get_legend_handles_labels(), loc="outside upper center", fontsize=8, ncols=3)
    _save(figure, path)
    return True


def plot_validation(report: TrialReport, path: Path) -> None:
    """Draw the loss on the images set aside over the steps, a line per arm and seed, into a PNG.

    Of two stages the last one is shown, dashed. The arms are judged on different images: a flat end means
    that an arm has converged, a lower loss does not mean that it is better.
    """
    figure = Figure(figsize=(7.0, 4.0), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    labels = [arm.label for arm in report.arms]
    for result in report.results:
        color = f"C{labels.index(result.label) % 10}"
        validations = result.stages[-1].convergence.validations
        axes.plot(
            [validation.step for validation in validations],
            [validation.loss for validation in validations],
            lw=1,
            ls="-" if len(result.stages) == 1 else "--",
            color=color,
            label=result.label,
        )
    lines, names = axes.get_legend_handles_labels()
    handles = dict(zip(names, lines, strict=True))
    axes.set(xlabel="step", ylabel="loss on images set aside", ylim=(0, None))
    axes.grid(alpha=0.25)
    axes.legend(handles.values(), handles.keys(), fontsize=7)
    _save(figure, path)


def _number(report: TrialReport, test_set: str, label: str, measure: str) -> Number | None:
    found = next(each for each in report.summaries if (each.test_set, each.label) == (test_set, label))
    return found.numbers.get(measure)


def _draw_intervals(
    axes: Axes, places: np.ndarray, numbers: Sequence[Number | None], mark: str, color: str, label: str
) -> None:
    known = [(place, number.over_images) for place, number in zip(places, numbers, strict=True) if number]
    if not known:
        return
    values = np.array([found.value for _, found in known])
    ends = [[found.value if end is None else end for end in (found.low, found.high)] for _, found in known]
    reach = np.abs(np.array(ends).T - values)
    axes.errorbar([place for place, _ in known], values, reach, fmt=mark, ms=4, color=color, label=label)


def _overlay(image: TestImage, probability: np.ndarray) -> np.ndarray:
    area = image.area if isinstance(image, AnnotatedImage) else image.hull
    predicted = thin(probability >= THRESHOLD) & area
    picture = np.stack([image.pixels] * 3, axis=-1)
    picture[~area] //= 2
    if isinstance(image, AnnotatedImage):
        expert = image.lines & area
        near = thick(expert)
        picture[expert & ~thick(predicted)] = _ONLY_EXPERT
        picture[predicted & ~near] = _ONLY_PREDICTED
        picture[predicted & near] = _BOTH
    else:
        picture[predicted] = _ONLY_PREDICTED
        marks = np.zeros(area.shape, dtype=bool)
        marks[image.places] = True
        picture[thick(marks)] = _ONLY_EXPERT
    return picture


def _save(figure: Figure, path: Path) -> None:
    with whole_file(path) as file:
        figure.savefig(file, format="png", dpi=130)
