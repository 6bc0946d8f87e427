"""Power diagrams of the plane: cells with straight borders and three-way junctions, of wanted areas.

A power diagram (Laguerre tessellation; Aurenhammer, SIAM J. Comput. 1987) is a Voronoi diagram whose sites
have weights: a cell is where |x - site|² - weight is least. For every set of sites there are weights that
give the cells wanted areas, and Newton's method finds them (Kitagawa, Mérigot and Thibert, JEMS 2019).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from endotwin.mosaic.kernels import Cells


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

    @property
    def cells(self) -> Cells:
        """Return what compiled functions take."""
        return self.areas, self.centroids, self.aspects, self.sides, self.neighbours, self.lengths


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
