"""Figures and tables: requested against measured, and mosaics with their labels."""

from __future__ import annotations

import colorsys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image, ImageDraw

from benchmarks.mosaic.requested import (
    CV_LIMIT,
    DENSITIES,
    DENSITY_LIMIT,
    HEXAGONALITY_LIMIT,
    Combination,
    MeasuredCombination,
)
from endotwin.files import whole_file
from endotwin.generator.latents import draw_normals
from endotwin.image_range import IMAGE_SIZE, ImageRange
from endotwin.mosaic.labels import Label
from endotwin.mosaic.parameters import Conditions, ImagePopulation, Range
from endotwin.mosaic.scene import SCENE_NUMBERS, draw_scene
from endotwin.samples.grid import draw_grid

_ZOOM = 2
_GAP = 4
_CAPTION = 18
_COLUMNS = 6
_APART = 0.06
"""Share of a panel's width by which points of different densities are drawn apart."""

_MEASURES: tuple[tuple[str, float, Callable[[Combination], float]], ...] = (
    ("density, cells per mm²", DENSITY_LIMIT, lambda c: c.density),
    ("cv of the area", CV_LIMIT, lambda c: c.cv),
    ("hexagonality", HEXAGONALITY_LIMIT, lambda c: c.hexagonality),
)

SHEET: dict[str, Conditions] = {
    "like the training images": Conditions(),
    "density 4500": Conditions(density=Range(low=4500, high=4500)),
    "density 1000": Conditions(density=Range(low=1000, high=1000)),
    "cv 0.15": Conditions(cv=Range(low=0.15, high=0.15), density=Range(low=2500, high=2500)),
    "cv 0.60": Conditions(cv=Range(low=0.60, high=0.60), density=Range(low=2500, high=2500)),
    "hexagonality 0.85": Conditions(
        hexagonality=Range(low=0.85, high=0.85), density=Range(low=2500, high=2500)
    ),
    "hexagonality 0.35": Conditions(
        hexagonality=Range(low=0.35, high=0.35), density=Range(low=2500, high=2500)
    ),
    "guttae 0.1 to 0.4": Conditions(guttae=Range(low=0.1, high=0.4), density=Range(low=2500, high=2500)),
    "age 15": Conditions(age=Range(low=15, high=15)),
    "age 85": Conditions(age=Range(low=85, high=85)),
}
"""Rows of the contact sheet: caption, and what is asked of the row's mosaics."""


def plot_comparisons(comparisons: Sequence[MeasuredCombination], images: int, path: Path) -> None:
    """Draw by how much the measured parameters are beyond the requested ones, as a PNG.

    Args:
        comparisons: to draw, at least one.
        images: how many images each was pooled over.
        path: the PNG; appears whole or not at all.
    """
    figure = Figure(figsize=(11.0, 3.9), layout="constrained")
    FigureCanvasAgg(figure)
    largest = max(abs(100 * of(c.deviations)) for _, _, of in _MEASURES for c in comparisons)
    for axes, (title, limit, of) in zip(figure.subplots(1, 3), _MEASURES, strict=True):
        _draw_panel(axes, comparisons, of)
        axes.axhspan(-100 * limit, 100 * limit, color="0.92", zorder=0)
        axes.axhline(0.0, color="0.6", lw=0.8, zorder=1)
        axes.set(xlabel=f"requested {title}", ylim=(-largest - 1, largest + 1))
    figure.axes[0].set_ylabel("measured beyond requested, %")
    figure.legend(
        *figure.axes[0].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=len(DENSITIES) + 1,
        fontsize=8,
    )
    figure.suptitle(
        f"{len(comparisons)} combinations, {images} mosaics each; grey: errors of the best segmenters",
        fontsize=10,
    )
    with whole_file(path) as file:
        figure.savefig(file, format="png", dpi=100)


def _draw_panel(
    axes: Axes, comparisons: Sequence[MeasuredCombination], of: Callable[[Combination], float]
) -> None:
    asked = [of(comparison.requested) for comparison in comparisons]
    densities = sorted({comparison.requested.density for comparison in comparisons})
    if asked == [comparison.requested.density for comparison in comparisons]:
        step = 0.0  # they are apart
    else:
        step = _APART * (max(asked) - min(asked))
    for k, density in enumerate(densities):
        own = [c for c in comparisons if c.requested.density == density]
        axes.plot(
            [of(c.requested) + step * (k / max(len(densities) - 1, 1) - 0.5) for c in own],
            [100 * of(c.deviations) for c in own],
            "o",
            ms=3.5,
            label=f"{density:.0f} cells/mm²",
        )


def comparison_table(comparisons: Sequence[MeasuredCombination]) -> str:
    """Write a Markdown table: for each density, how far the measured parameters are from the requested."""
    lines = [
        "| density | cells | density: mean, largest | cv: mean, largest | hexagonality: mean, largest |",
        "|---|---|---|---|---|",
    ]
    for density in sorted({comparison.requested.density for comparison in comparisons}):
        own = [c for c in comparisons if c.requested.density == density]
        columns = [f"{density:.0f}", f"{round(np.mean([c.cells for c in own])):,}"]
        for _, _, of in _MEASURES:
            deviations = 100 * np.array([of(c.deviations) for c in own])
            columns.append(f"{deviations.mean():+.1f} %, {np.abs(deviations).max():.1f} %")
        lines.append(f"| {' | '.join(columns)} |")
    return "\n".join(lines) + "\n"


def full_table(comparisons: Sequence[MeasuredCombination]) -> str:
    """Write a Markdown table of every combination: asked → measured."""
    lines = ["| cells | density | cv | hexagonality |", "|---|---|---|---|"]
    for comparison in comparisons:
        asked, found = comparison.requested, comparison.measured
        lines.append(
            f"| {comparison.cells:,} | {asked.density:.0f} → {found.density:.0f} | "
            f"{asked.cv:.2f} → {found.cv:.3f} | {asked.hexagonality:.2f} → {found.hexagonality:.3f} |"
        )
    return "\n".join(lines) + "\n"


def draw_sheet(seed: int) -> Image.Image:
    """Draw mosaics under every condition of SHEET: instances in colours, borders black, guttae dark."""
    population = ImagePopulation()
    numbers = draw_normals(ImageRange(seed, 0, _COLUMNS), SCENE_NUMBERS)
    tiles = []
    for conditions in SHEET.values():
        for own in numbers:
            tile = colour_label(draw_scene(own, conditions, population, None).label())
            tile = tile.repeat(_ZOOM, axis=0).repeat(_ZOOM, axis=1)
            tiles.append(np.pad(tile, ((_CAPTION, 0), (0, 0), (0, 0)), constant_values=255))
    sheet = draw_grid(tiles, _COLUMNS, gap=_GAP)
    pen = ImageDraw.Draw(sheet)
    for row, caption in enumerate(SHEET):
        pen.text((2, row * (IMAGE_SIZE * _ZOOM + _CAPTION + _GAP) + 3), caption, fill="black")
    return sheet


def colour_label(label: Label) -> np.ndarray:
    """Show a label in colours: uint8 (128, 128, 3)."""
    # Steps of the golden ratio: the hues of cells with ids near each other are far apart.
    hues = np.arange(len(label.cells) + 1) * 0.618034 % 1.0
    colours = np.array([colorsys.hsv_to_rgb(hue, 0.45, 0.95) for hue in hues])
    colours[0] = 0.0
    shown = colours[label.instances]
    shown[label.guttae > 0] *= 0.45
    coloured: np.ndarray = np.round(255 * shown).astype(np.uint8)
    return coloured
