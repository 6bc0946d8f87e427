"""Figures of the measured cells, as PNGs; they show no image."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from training.scores.cells.record import CellComparison, CellStatistics
from training.scores.figures import figure_png

_PARAMETERS = (
    ("group_density", "cells per 10,000 pixels"),
    ("group_cv", "CV of the area"),
    ("group_hexagonality", "share of hexagons"),
)


def plot_areas(result: CellComparison) -> bytes:
    """Draw the distributions of the cells' areas and of their numbers of neighbours."""
    figure = Figure(figsize=(10.0, 4.0), layout="constrained")
    of_areas, of_neighbours = figure.subplots(1, 2)
    sets = [each for each in _sets(result) if each[1].cells]
    for k, (name, found, colour) in enumerate(sets):
        quantiles = [(area, int(percent)) for percent, area in found.area_quantiles.items()]
        inner = quantiles[1:-1]  # the ends are one cell each, maybe a speck
        of_areas.plot(*zip(*inner, strict=True), color=colour, label=f"{name}, {found.cells:,} cells")
        sides = np.arange(len(found.neighbours))
        width = 0.8 / len(sets)
        of_neighbours.bar(
            sides + (k + 0.5) * width - 0.4, list(found.neighbours.values()), width, color=colour
        )
        labels = list(found.neighbours)
        of_neighbours.set_xticks(sides, [f"≤ {labels[0]}", *labels[1:-1], f"≥ {labels[-1]}"])
    of_areas.set(xlabel="area of a cell, pixels", ylabel="percent of the cells below", xscale="log")
    of_areas.xaxis.set_major_formatter("{x:g}")
    of_areas.grid(which="both", alpha=0.25)
    if sets:
        of_areas.legend(fontsize=8)
    of_neighbours.set(xlabel="neighbours of a cell", ylabel="share of the cells")
    return figure_png(figure)


def plot_groups(result: CellComparison) -> bytes:
    """Draw density, CV and share of hexagons of the groups of crops: median, quartiles, 5 to 95 percent."""
    figure = Figure(figsize=(10.0, 3.2), layout="constrained")
    sets = list(_sets(result))[::-1]
    for k, (axes, (attribute, label)) in enumerate(zip(figure.subplots(1, 3), _PARAMETERS, strict=True)):
        values = [list(getattr(found, attribute)) for _, found, _ in sets]
        boxes = axes.boxplot(
            values, orientation="horizontal", whis=(5, 95), showfliers=False, patch_artist=True
        )
        for box, (_, _, colour) in zip(boxes["boxes"], sets, strict=True):
            box.set(facecolor=colour, alpha=0.5)
        axes.set_yticks(
            range(1, len(sets) + 1), [name for name, _, _ in sets] if k == 0 else [""] * len(sets)
        )
        axes.set_xlabel(label)
        axes.grid(axis="x", alpha=0.25)
    figure.suptitle(f"groups of {result.group} crops", fontsize=10)
    return figure_png(figure)


def _sets(result: CellComparison) -> list[tuple[str, CellStatistics, str]]:
    sets = [
        ("generated", result.generated, "C3"),
        ("training", result.training, "C0"),
        ("training, again", result.training_again, "C9"),
    ]
    return sets if result.held_out is None else [*sets, ("held out", result.held_out, "C2")]
