"""The numbers of the cells in the annotated part of an image."""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict

from endotwin.mosaic.morphometry import measure_cells
from endotwin.segmentation.cells import neighbour_pairs

SHARE_INSIDE = 0.75
"""A cell counts if at least this share of it lies in the annotated area; otherwise the edge cuts it."""


class CellCounts(BaseModel):
    """The cells of one image.

    Attributes:
        cells: number of cells.
        cell_pixels: sum of their areas.
        cv: standard deviation over mean of their areas; None below two cells.
        inner_cells: cells of which every neighbour is itself counted, so that all of them are known.
        six_sided: inner cells with six neighbours.
    """

    model_config = ConfigDict(frozen=True)

    cells: int
    cell_pixels: int
    cv: float | None
    inner_cells: int
    six_sided: int

    @property
    def density(self) -> float:
        """Cells per pixel of cell area; 0 without cells."""
        return self.cells / self.cell_pixels if self.cells else 0.0

    @property
    def hexagonality(self) -> float | None:
        """Share of six-sided cells among the inner ones; None without any."""
        return self.six_sided / self.inner_cells if self.inner_cells else None


def mostly_inside(cells: np.ndarray, area: np.ndarray) -> np.ndarray:
    """Return which cells lie in the area by three quarters or more, bool by number from 0 on.

    Args:
        cells: int (H, W).
        area: bool (H, W).
    """
    sizes = np.bincount(cells.ravel())
    inside = np.bincount(cells[area], minlength=len(sizes))
    return np.asarray((sizes > 0) & (inside >= SHARE_INSIDE * sizes))


def count_cells(cells: np.ndarray, area: np.ndarray) -> CellCounts:
    """Count the cells in the annotated area.

    Left out are cells of which more than a quarter lies outside the area. Two cells are neighbours if they
    share a side of a pixel. A cell at the image's edge is not an inner one: what lies beyond is not known.

    Args:
        cells: as from `endotwin.segmentation.cells.cells_from_borders`.
        area: bool (H, W).
    """
    count = int(cells.max()) + 1
    sizes = np.bincount(cells.ravel(), minlength=count)
    counted = mostly_inside(cells, area)
    pairs = neighbour_pairs(cells)
    neighbours = np.bincount(pairs.ravel(), minlength=count)
    inner = counted.copy()
    inner[np.concatenate([cells[0], cells[-1], cells[:, 0], cells[:, -1]])] = False
    for one, other in (pairs.T, pairs.T[::-1]):
        inner[one[~counted[other]]] = False
    return CellCounts(
        cells=int(counted.sum()),
        cell_pixels=int(sizes[counted].sum()),
        cv=measure_cells(sizes[counted], neighbours[counted]).cv,
        inner_cells=int(inner.sum()),
        six_sided=int((neighbours[inner] == 6).sum()),
    )
