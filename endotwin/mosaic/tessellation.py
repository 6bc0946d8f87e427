"""Power diagrams of the plane: cells with straight borders and three-way junctions, of wanted areas.

A power diagram (Laguerre tessellation; Aurenhammer, SIAM J. Comput. 1987) is a Voronoi diagram whose sites
have weights: a cell is where |x - site|² - weight is least. For every set of sites there are weights that
give the cells wanted areas, and Newton's method finds them (Kitagawa, Mérigot and Thibert, JEMS 2019).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_NEWTON_STEP = 0.8
"""Share of a Newton step that is taken: a whole one can lose a small cell."""

_LARGEST_STEP = 0.25
"""Largest change of a weight in one step, in wanted mean areas, for the same reason."""

_STIFFNESS = 1e-3
"""Added to the diagonal so that a cell that was lost does not make the equations singular."""


@dataclass(frozen=True)
class Tessellation:
    """A power diagram. Arrays have one entry per site; cells on the rim end somewhere and mean nothing.

    Attributes:
        sites: float64 (N, 2), x and y in pixels.
        weights: float64 (N,), in square pixels.
        areas: float64 (N,), in square pixels; 0 for a site without a cell or whose cell was not wanted.
        centroids: float64 (N, 2), x and y in pixels.
        aspects: float64 (N,), the longer over the shorter axis of the ellipse that has the cell's second
            moments; of a rectangle, its length over its width.
        sides: int64 (N,), number of neighbours.
        neighbours: int64 (M, 2), sites that share a border, sorted by the first; a pair whose cells were
            both wanted in both orders.
        lengths: float64 (M,), of the border that a pair shares, in pixels.
    """

    sites: np.ndarray
    weights: np.ndarray
    areas: np.ndarray
    centroids: np.ndarray
    aspects: np.ndarray
    sides: np.ndarray
    neighbours: np.ndarray
    lengths: np.ndarray


def tessellate(sites: np.ndarray, weights: np.ndarray, chosen: np.ndarray | None = None) -> Tessellation:
    """Compute the power diagram of weighted sites.

    Args:
        sites: float64 (N, 2), at least four, not all on a line.
        weights: float64 (N,).
        chosen: bool (N,), the sites whose cells are wanted; None for all.
    """
    from endotwin.mosaic.kernels import clip_cells  # noqa: PLC0415

    if chosen is None:
        chosen = np.ones(len(sites), dtype=bool)
    return Tessellation(sites, weights, *clip_cells(sites, weights, chosen))


def correct_weights(tessellation: Tessellation, wanted: np.ndarray, free: np.ndarray) -> np.ndarray:
    """Return the weights after one damped Newton step towards wanted areas.

    Args:
        tessellation: as it is, with the cells of all free sites.
        wanted: float64 (N,), areas in square pixels.
        free: bool (N,), the sites whose weights may change.

    Returns:
        float64 (N,), new weights.
    """
    from endotwin.mosaic.kernels import solve_weights  # noqa: PLC0415

    step = solve_weights(
        tessellation.sites,
        tessellation.neighbours,
        tessellation.lengths,
        free,
        wanted - tessellation.areas,
        _STIFFNESS,
    )
    limit = _LARGEST_STEP * float(wanted[free].mean())
    return tessellation.weights + np.clip(_NEWTON_STEP * step, -limit, limit)
