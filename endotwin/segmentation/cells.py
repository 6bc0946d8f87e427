"""Cells of an image by its border probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import ndimage
from skimage import graph
from skimage.morphology import h_minima
from skimage.segmentation import watershed

SMOOTHING = 1.0
"""Standard deviation, pixels, of the blur that closes small gaps in borders."""

DEPTH = 0.1
"""A basin of the smoothed border probability is at least this deep."""

WEAK = 0.22
"""Two basins are one cell if the mean border probability along the line between them is less."""


def cells_from_borders(probability: np.ndarray) -> np.ndarray:
    """Return the cells of an image: basins of the border probability, joined across weak borders.

    A basin is bounded by the lowest place of the line around it, so that haze, in which the probability
    wavers, has several in one cell; the mean along the line tells.

    Args:
        probability: float (H, W) from 0 to 1, of a border, or lines drawn three pixels wide, 0 and 1.

    Returns:
        int32 (H, W): every pixel belongs to a cell, numbered from 1; borders have no width.
    """
    basins = border_basins(probability)
    neighbours: Any = graph.RAG()  # type: ignore[no-untyped-call]
    neighbours.add_nodes_from((number, {"labels": [number]}) for number in range(1, int(basins.max()) + 1))
    for (one, other), (sides, strength) in _lines_between(basins, probability).items():
        neighbours.add_edge(one, other, weight=strength, sides=sides)
    joined = graph.merge_hierarchical(  # type: ignore[no-untyped-call]
        basins,
        neighbours,
        thresh=WEAK,
        rag_copy=False,
        in_place_merge=True,
        merge_func=lambda *_: None,
        weight_func=_joined_line,
    )
    return np.asarray(joined, dtype=np.int32) + 1


def border_basins(probability: np.ndarray) -> np.ndarray:
    """Return the basins of the border probability, by watershed on its smoothed map.

    Args:
        probability: float (H, W) from 0 to 1, of a border.

    Returns:
        int32 (H, W): every pixel belongs to a basin, numbered from 1.
    """
    smooth = ndimage.gaussian_filter(probability.astype(np.float64), SMOOTHING)
    levels = np.round(smooth * 1000).astype(np.uint16)  # whole numbers: basins are compared exactly
    minima = h_minima(levels, round(DEPTH * 1000))  # type: ignore[no-untyped-call]
    markers, _ = ndimage.label(minima, np.ones((3, 3)))
    return np.asarray(watershed(levels, markers), dtype=np.int32)  # type: ignore[no-untyped-call]


def _lines_between(cells: np.ndarray, probability: np.ndarray) -> dict[tuple[int, int], tuple[int, float]]:
    """Return how many sides of pixels each pair of cells shares, and the mean border probability there."""
    pairs, values = [], []
    for first, second in ((np.s_[:-1], np.s_[1:]), (np.s_[:, :-1], np.s_[:, 1:])):
        apart = cells[first] != cells[second]
        pairs.append(np.stack([cells[first][apart], cells[second][apart]], axis=1))
        values.append((probability[first][apart] + probability[second][apart]) / 2)
    found, which, sides = np.unique(
        np.sort(np.concatenate(pairs), axis=1), axis=0, return_inverse=True, return_counts=True
    )
    means = np.bincount(which.ravel(), weights=np.concatenate(values), minlength=len(found)) / sides
    return {
        (int(a), int(b)): (int(n), float(mean)) for (a, b), n, mean in zip(found, sides, means, strict=True)
    }


def _joined_line(neighbours: Any, gone: int, kept: int, other: int) -> dict[str, float]:
    """Return the line between two joined cells and another one, for `skimage.graph.merge_hierarchical`."""
    lines = [neighbours[cell][other] for cell in (gone, kept) if neighbours.has_edge(cell, other)]
    sides = sum(line["sides"] for line in lines)
    return {"sides": sides, "weight": sum(line["sides"] * line["weight"] for line in lines) / sides}


def neighbour_pairs(cells: np.ndarray) -> np.ndarray:
    """Return the pairs of cells that share a side of a pixel, each once, the smaller number first.

    Args:
        cells: int (H, W).

    Returns:
        int (pairs, 2).
    """
    return shared_sides(cells)[0]


def shared_sides(cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the same pairs, and how many sides of pixels each shares, int (pairs,)."""
    pairs = np.concatenate(
        [
            np.stack([cells[:-1].ravel(), cells[1:].ravel()], axis=1),
            np.stack([cells[:, :-1].ravel(), cells[:, 1:].ravel()], axis=1),
        ]
    )
    return np.unique(np.sort(pairs[pairs[:, 0] != pairs[:, 1]], axis=1), axis=0, return_counts=True)


def cell_lines(cells: np.ndarray) -> np.ndarray:
    """Return lines between cells and along what is in none, bool (H, W): no side joins two cells without.

    Args:
        cells: int (H, W), 0 where no cell is.
    """
    lines = np.zeros(cells.shape, dtype=bool)
    lines[:-1] |= cells[:-1] != cells[1:]
    lines[:, :-1] |= cells[:, :-1] != cells[:, 1:]
    return lines
