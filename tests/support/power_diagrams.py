"""Power diagrams by a convex hull, and distances to all of their borders: slow, for comparison."""

from __future__ import annotations

import numpy as np
from scipy.spatial import ConvexHull


def borders_by_hull(sites: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the pairs of sites that share a border, (K, 2), and its ends, (K, 2, 2) in x and y.

    The corners are dual to the lower convex hull of the sites lifted to x² + y² - weight (Aurenhammer,
    SIAM J. Comput. 1987). Borders without an end, of sites on the rim, are left out.
    """
    hull = ConvexHull(np.column_stack([sites, (sites * sites).sum(axis=1) - weights]))
    below = np.flatnonzero(hull.equations[:, 2] < -1e-12)
    corners = -0.5 * hull.equations[:, :2] / hull.equations[:, 2:3]
    pairs, ends = [], []
    for facet in below:
        for k, other in enumerate(hull.neighbors[facet]):
            if facet < other and hull.equations[other, 2] < -1e-12:
                pairs.append(np.sort(np.delete(hull.simplices[facet], k)))
                ends.append((corners[facet], corners[other]))
    return np.array(pairs), np.array(ends)


def ways_to_borders(points: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Return the way from every point to the nearest place on any of the segments (K, 2, 2): (N, 2)."""
    nearest = np.full(len(points), np.inf)
    ways = np.zeros((len(points), 2))
    for start, end in ends:
        along = end - start
        share = np.clip((points - start) @ along / max(float(along @ along), 1e-30), 0.0, 1.0)
        way = start + share[:, None] * along - points
        squared = (way * way).sum(axis=1)
        nearer = squared < nearest
        nearest[nearer], ways[nearer] = squared[nearer], way[nearer]
    return ways
