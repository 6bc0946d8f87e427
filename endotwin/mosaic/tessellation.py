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
    """A power diagram. Arrays have one entry per site; sites on the rim have open cells that mean nothing.

    Attributes:
        sites: float64 (N, 2), x and y in pixels.
        weights: float64 (N,), in square pixels.
        areas: float64 (N,), in square pixels; 0 for a site without a cell.
        centroids: float64 (N, 2), x and y in pixels.
        sides: int64 (N,), number of neighbours.
        neighbours: int64 (M, 2), each pair of sites that share a border in both orders.
        lengths: float64 (M,), of the border that a pair shares, in pixels.
    """

    sites: np.ndarray
    weights: np.ndarray
    areas: np.ndarray
    centroids: np.ndarray
    sides: np.ndarray
    neighbours: np.ndarray
    lengths: np.ndarray


def tessellate(sites: np.ndarray, weights: np.ndarray) -> Tessellation:
    """Compute the power diagram of weighted sites.

    The cells' corners are dual to the lower convex hull of the sites lifted to x² + y² - weight.

    Args:
        sites: float64 (N, 2), at least four, not all on a line.
        weights: float64 (N,).
    """
    from scipy.spatial import ConvexHull  # noqa: PLC0415

    count = len(sites)
    lifted = np.column_stack([sites, (sites * sites).sum(axis=1) - weights])
    hull = ConvexHull(lifted)
    below = hull.equations[:, 2] < -1e-12
    planes = hull.equations[below]
    corners = -0.5 * planes[:, :2] / planes[:, 2:3]
    triangles = hull.simplices[below]
    row = np.where(below, np.cumsum(below) - 1, -1)
    beside = row[hull.neighbors[below]]  # the triangle opposite each vertex

    a, b, c = (sites[triangles[:, k]] for k in range(3))
    clockwise = _cross(b - a, c - a) < 0
    triangles[clockwise] = triangles[clockwise][:, ::-1]
    beside[clockwise] = beside[clockwise][:, ::-1]

    # Half edges: the triangle of i → j lies left of it; right of it is the one opposite the third vertex.
    i, j = triangles.ravel(), triangles[:, [1, 2, 0]].ravel()
    across = beside[:, [2, 0, 1]].ravel()
    paired = across >= 0
    left = np.repeat(corners, 3, axis=0)[paired]
    right = corners[across[paired]]
    i, j = i[paired], j[paired]

    # Green's theorem over the polygon of each cell, counted from its site.
    start, end = right - sites[i], left - sites[i]
    cross = _cross(start, end)
    areas = np.bincount(i, 0.5 * cross, count)
    moments = np.column_stack(
        [np.bincount(i, cross * (start[:, k] + end[:, k]) / 6.0, count) for k in (0, 1)]
    )
    centroids = sites + moments / np.where(np.abs(areas) < 1e-9, 1.0, areas)[:, None]
    return Tessellation(
        sites=sites,
        weights=weights,
        areas=areas,
        centroids=centroids,
        sides=np.bincount(i, minlength=count),
        neighbours=np.column_stack([i, j]),
        lengths=np.hypot(*(left - right).T),
    )


def correct_weights(tessellation: Tessellation, wanted: np.ndarray, free: np.ndarray) -> np.ndarray:
    """Return the weights after one damped Newton step towards wanted areas.

    The area of i grows with its weight and shrinks with that of a neighbour j by the length of their border
    over twice the distance of their sites.

    Args:
        tessellation: as it is.
        wanted: float64 (N,), areas in square pixels.
        free: bool (N,), the sites whose weights may change.

    Returns:
        float64 (N,), new weights.
    """
    from scipy.linalg import solve  # noqa: PLC0415

    i, j = tessellation.neighbours.T
    distances = np.hypot(*(tessellation.sites[j] - tessellation.sites[i]).T)
    rates = tessellation.lengths / (2.0 * distances)
    count = len(tessellation.sites)
    matrix = np.zeros((count, count))
    matrix[i, j] = -rates
    matrix[np.diag_indices(count)] = np.bincount(i, rates, count) + _STIFFNESS
    chosen = np.flatnonzero(free)
    step = solve(
        matrix[np.ix_(chosen, chosen)],
        (wanted - tessellation.areas)[chosen],
        assume_a="pos",
        check_finite=False,
    )
    limit = _LARGEST_STEP * float(wanted[chosen].mean())
    weights = tessellation.weights.copy()
    weights[chosen] += np.clip(_NEWTON_STEP * step, -limit, limit)
    return weights


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    product: np.ndarray = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    return product
