"""What a segmenter found in one image: cells, their borders, and the numbers a clinician reads off."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from endotwin.mosaic.morphometry import Morphometry, measure_cells
from endotwin.samples.overlay import draw_labels
from endotwin.segmentation.cells import cell_lines, shared_sides
from endotwin.segmentation.certain_cells import cut_by_edge, weights_of_whole

FEWEST_CELLS = 10
"""Of fewer whole cells no number is told."""

_ROUGH_CELLS = 50
_LEAST_EVALUATED, _LEAST_TOLD = 0.5, 0.03
"""Shares of the image in certain cells: below the first there is a warning, below the other no number."""

_SHARED = 3
"""Sides of pixels that two neighbours have in common at least."""

_DENSITIES = 300.0, 6000.0
_IRREGULAR_CV, _IRREGULAR_HEX = 0.45, 0.35
"""Beyond both, cells are as irregular as those that a watershed finds in noise (CV 0.5, HEX 0.29)."""


@dataclass(frozen=True)
class FoundCell:
    """One cell; lengths in pixels of the image.

    Attributes:
        number: in `Segmentation.instances`.
        x: of its centroid, from the middle of the leftmost pixels on.
        y: the same from the top.
        area: square pixels, half of its border included.
        neighbours: number of cells that it touches; None where one is not certain, or beyond the edge.
        whole: not cut by the edge of the image: only such cells count.
        certainty: probability of a border around it less that inside, up to 1.
    """

    number: int
    x: float
    y: float
    area: int
    neighbours: int | None
    whole: bool
    certainty: float


@dataclass(frozen=True)
class Segmentation:
    """What was found in one image.

    Attributes:
        image: uint8 (H, W), grey levels as they were read.
        probability: float32 (H, W), of a border.
        basins: int32 (H, W), every pixel in a cell numbered from 1, certain or not.
        certainty: float64, of each basin, by number from 0 on.
        certain: bool, the same: which of them are taken for cells.
        zoom: size at which the network saw the image, relative to the image.
        pixel_size: side of a pixel, micrometres; None: not known.
        notes: what was seen while the image was read.
    """

    image: np.ndarray
    probability: np.ndarray
    basins: np.ndarray
    certainty: np.ndarray
    certain: np.ndarray
    zoom: float
    pixel_size: float | None = None
    notes: tuple[str, ...] = ()

    @cached_property
    def instances(self) -> np.ndarray:
        """Number of the cell of each pixel, int32 (H, W): 0 on borders and where no cell is certain."""
        return np.where(cell_lines(self._numbered), 0, self._numbered)

    @cached_property
    def borders(self) -> np.ndarray:
        """Borders of the cells, uint8 (H, W): 255 on lines one pixel wide, else 0."""
        return np.where(cell_lines(self._numbered), np.uint8(255), np.uint8(0))

    @cached_property
    def overlay(self) -> np.ndarray:
        """The image with its cells tinted and their borders red, uint8 (H, W, 3)."""
        return draw_labels(self.image, {"instances": self.instances, "borders": self.borders})

    @cached_property
    def cells(self) -> tuple[FoundCell, ...]:
        """The cells, by number from 1 on."""
        numbers = np.flatnonzero(self.certain)
        rows, columns = (
            np.bincount(self.basins.ravel(), weights=places.ravel()) / np.maximum(self._areas, 1)
            for places in np.indices(self.basins.shape)
        )
        return tuple(
            FoundCell(
                number=k,
                x=round(float(columns[number]), 2),
                y=round(float(rows[number]), 2),
                area=int(self._areas[number]),
                neighbours=int(self._neighbours[number]) if self._inner[number] else None,
                whole=bool(self._whole[number]),
                certainty=round(float(self.certainty[number]), 3),
            )
            for k, number in enumerate(numbers.tolist(), 1)
        )

    @cached_property
    def morphometry(self) -> Morphometry:
        """Number, mean area, CV and hexagonality of the whole cells, weighted so that they stand for all.

        Only the number is told of fewer than `FEWEST_CELLS`, or where certain cells are in less than 3 % of
        the image. Hexagonality is of those whose neighbours are all certain: an uncertain one may be a
        piece of a cell.
        """
        whole, inner = self._whole, self._inner
        if whole.sum() < FEWEST_CELLS or self.evaluated < _LEAST_TOLD:
            return Morphometry(int(whole.sum()), None, None, None)
        measured, within = (
            measure_cells(
                self._areas[chosen], self._neighbours[chosen], weights_of_whole(self.basins, chosen)
            )
            for chosen in (whole, inner)
        )
        return replace(measured, hexagonality=within.hexagonality if within.count >= FEWEST_CELLS else None)

    @property
    def inner_cells(self) -> int:
        """Number of whole cells with certain neighbours all around: those of the hexagonality."""
        return int(self._inner.sum())

    @property
    def density(self) -> float | None:
        """Cells per mm² (ECD); None without a pixel size, and where no number is told (`morphometry`)."""
        return None if self.pixel_size is None else self.morphometry.density(1e6 / self.pixel_size**2)

    @property
    def evaluated(self) -> float:
        """Share of the image that is in cells which are certain, cut ones included."""
        return float(self._areas[self.certain].sum()) / self.basins.size

    @cached_property
    def warnings(self) -> tuple[str, ...]:
        """What whoever uses the numbers has to know, a sentence each."""
        return (*self.notes, *self._warnings())

    def _warnings(self) -> Iterator[str]:
        measured = self.morphometry
        if measured.count < FEWEST_CELLS:
            found = f"only {measured.count} whole cells" if measured.count else "no whole cell"
            yield f"{found} found: no numbers"
            return
        if self.evaluated < _LEAST_TOLD:
            yield f"cells are clear in {self.evaluated:.1%} of the image: no numbers"
            return
        if measured.count < _ROUGH_CELLS:
            yield f"only {measured.count} whole cells: the numbers are rough"
        elif self.inner_cells < _ROUGH_CELLS:
            yield f"HEX is that of {self.inner_cells} cells: it is rough"
        if self.evaluated < _LEAST_EVALUATED:
            yield f"cells are clear in {self.evaluated:.0%} of the image: the numbers are of that part"
        if (measured.cv or 0) > _IRREGULAR_CV and (measured.hexagonality or 1) < _IRREGULAR_HEX:
            yield "the cells are as irregular as those found in noise: look at the overlay"
        if self.density is not None and not _DENSITIES[0] <= self.density <= _DENSITIES[1]:
            yield f"{self.density:.0f} cells per mm² is no density of a cornea: is the pixel size right?"

    @cached_property
    def _numbered(self) -> np.ndarray:
        numbers = np.zeros(len(self.certain), dtype=np.int32)
        numbers[self.certain] = np.arange(1, int(self.certain.sum()) + 1)
        return np.asarray(numbers[self.basins])

    @cached_property
    def _areas(self) -> np.ndarray:
        return np.bincount(self.basins.ravel(), minlength=len(self.certain))

    @cached_property
    def _pairs(self) -> np.ndarray:
        pairs, sides = shared_sides(self.basins)
        return np.asarray(pairs[sides >= _SHARED])

    @cached_property
    def _neighbours(self) -> np.ndarray:
        return np.bincount(self._pairs.ravel(), minlength=len(self.certain))

    @cached_property
    def _whole(self) -> np.ndarray:
        return np.asarray(self.certain & ~cut_by_edge(self.basins))

    @cached_property
    def _inner(self) -> np.ndarray:
        """Return which whole cells have no neighbour but certain ones, bool, by number."""
        inner = self._whole.copy()
        for one, other in (self._pairs.T, self._pairs.T[::-1]):
            inner[one[~self.certain[other]]] = False
        return inner
