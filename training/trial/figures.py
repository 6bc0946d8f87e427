"""Figures of a trial: predicted borders over images, Dice by arm, losses.

Overlays show real images: they are written into the output folder only.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from endotwin.files import whole_file
from endotwin.samples.grid import draw_grid
from training.trial.annotated_images import AnnotatedImage
from training.trial.borders import thick, thin
from training.trial.report import TrialReport
from training.trial.segmentation_scores import THRESHOLD

_ZOOM = 2
_GAP = 6
_BOTH, _ONLY_PREDICTED, _ONLY_EXPERT = (255, 220, 0), (255, 40, 40), (0, 200, 255)


def save_overlays(
    images: Sequence[AnnotatedImage], probabilities: Sequence[np.ndarray], path: Path
) -> None:
    """Draw images twice as large, side by side: each as it is, and below it with the borders' centre lines.

    Yellow: predicted within a pixel of the expert's; red: only predicted; blue: only the expert's. Outside
    the annotated area, which is darkened, nothing is drawn.

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


def plot_dice_by_arm(report: TrialReport, path: Path) -> None:
    """Draw mean Dice per test set and arm as bars, with a dot for each seed, into a PNG."""
    labels = list(dict.fromkeys(summary.label for summary in report.summaries))
    sets = list(dict.fromkeys(summary.test_set for summary in report.summaries))
    figure = Figure(figsize=(2.5 + 0.6 * len(sets) * (len(labels) + 1), 4.4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    width = 0.8 / len(labels)
    for k, label in enumerate(labels):
        places = np.arange(len(sets)) + (k - (len(labels) - 1) / 2) * width
        means = [
            s.mean["dice"].mean
            for name in sets
            for s in report.summaries
            if (s.label, s.test_set) == (label, name)
        ]
        axes.bar(places, means, 0.9 * width, label=label, alpha=0.75)
        for result in report.results:
            if result.label == label:
                axes.plot(places, [result.sets[name].mean.dice for name in sets], "o", color="black", ms=3)
    axes.set_xticks(range(len(sets)), sets)
    axes.set(ylabel="Dice on held-out images (mean over images)", ylim=(0, 1))
    axes.grid(axis="y", alpha=0.25)
    figure.legend(loc="outside upper center", fontsize=8)
    _save(figure, path)


def plot_segmenter_losses(report: TrialReport, path: Path) -> None:
    """Draw the training loss over the steps, one line per seed, one colour per arm, into a PNG.

    The arms learn from different images: a lower loss means an arm has converged, not that it is better.
    """
    figure = Figure(figsize=(7.0, 4.0), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    labels = list(dict.fromkeys(result.label for result in report.results))
    named: set[str] = set()
    for result in report.results:
        steps = np.linspace(0, report.setup.settings.steps, len(result.losses) + 1)[1:]
        axes.plot(
            steps,
            result.losses,
            lw=1,
            color=f"C{labels.index(result.label)}",
            label=None if result.label in named else result.label,
        )
        named.add(result.label)
    axes.set(xlabel="step", ylabel="training loss (cross-entropy + 1 - soft Dice)", ylim=(0, None))
    axes.grid(alpha=0.25)
    axes.legend(fontsize=8)
    _save(figure, path)


def _overlay(image: AnnotatedImage, probability: np.ndarray) -> np.ndarray:
    predicted = thin(probability >= THRESHOLD) & image.area
    expert = image.lines & image.area
    near = thick(expert)
    picture = np.stack([image.pixels] * 3, axis=-1)
    picture[~image.area] //= 2
    picture[expert & ~thick(predicted)] = _ONLY_EXPERT
    picture[predicted & ~near] = _ONLY_PREDICTED
    picture[predicted & near] = _BOTH
    return picture


def _save(figure: Figure, path: Path) -> None:
    with whole_file(path) as file:
        figure.savefig(file, format="png", dpi=130)
