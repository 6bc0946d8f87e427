"""The three numbers of a clinician, and the areas' quantiles, of cells that are known whole."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from training.scores.cell_extraction import WholeCells

PER_PIXELS = 10_000
"""Density is told as cells in so many pixels: the images come without a pixel size."""


def joined(found: Sequence[WholeCells]) -> WholeCells:
    """Return the cells of several images, at least one, as one set."""
    return WholeCells(
        areas=np.concatenate([cells.areas for cells in found]),
        neighbours=np.concatenate([cells.neighbours for cells in found]),
        weights=np.concatenate([cells.weights for cells in found]),
    )


def density(cells: WholeCells) -> float | None:
    """Return cells per 10,000 pixels of cell area; None without a cell."""
    if len(cells.areas) == 0:
        return None
    return PER_PIXELS / float(np.average(cells.areas, weights=cells.weights))


def variation(cells: WholeCells) -> float | None:
    """Return standard deviation over mean of the areas; None below two cells."""
    if len(cells.areas) < 2:
        return None
    mean = np.average(cells.areas, weights=cells.weights)
    return float(np.sqrt(np.average((cells.areas - mean) ** 2, weights=cells.weights)) / mean)


def hexagonality(cells: WholeCells) -> float | None:
    """Return the share of cells with six neighbours; None without a cell."""
    if len(cells.areas) == 0:
        return None
    return float(np.average(cells.neighbours == 6, weights=cells.weights))


def quantiles(cells: WholeCells, percents: Sequence[int]) -> dict[str, float]:
    """Return the areas below which so many percent of the cells are; nothing without a cell."""
    if len(cells.areas) == 0:
        return {}
    order = np.argsort(cells.areas)
    areas, weights = cells.areas[order], cells.weights[order]
    below = (np.cumsum(weights) - weights / 2.0) / weights.sum()
    found = np.interp(np.array(percents) / 100.0, below, areas)
    return {str(percent): round(float(area), 1) for percent, area in zip(percents, found, strict=True)}
