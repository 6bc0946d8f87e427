"""Measure the cells of one image that nobody annotated, by its borders as the reader sees them.

An image is brought to the size of cells that the reader knows, its cells are found by watershed on the
borders, and only cells count that are clear: with a border all around and none inside.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from skimage.segmentation import watershed
from torch import nn

from endotwin.image_range import IMAGE_SIZE
from endotwin.mosaic.clarity import clarity_weights, measure_clarity
from endotwin.mosaic.morphometry import measure_cells
from endotwin.segmentation.certain_cells import (
    border_certainty,
    count_neighbours,
    cut_by_edge,
    edge_pixels,
    weights_of_whole,
)
from training.population.border_map import READER_SIDE, read_cells
from training.population.dark_spots import guttae_of
from training.population.population import ImageMeasures

METHOD_VERSION = 2
"""Raised whenever an image would be measured otherwise."""

SIDES = tuple(float(side) for side in np.geomspace(11.0, 64.0, 9))
"""Sides of cells, in pixels, that are tried for a folder."""

_TRIED = 320
"""Side in pixels, at the reader's size of cells, of the part of an image that is read to find the size."""

_READ = 640
"""The same of the part that is measured: some thousand cells."""

_CLEAR = 0.7
"""Probability of a border around a cell, less that inside it, from which on it is clear."""

_LEAST_AREA, _LARGEST_AREA = 0.3 * READER_SIDE**2, 3.0 * READER_SIDE**2
_SHARED = 4
"""Pixels, at the reader's size, of the border that two neighbours share at least: at a corner where borders
meet the reader is a pixel off now and then."""

_SPLIT, _JOINED = 0.4, 2.2
"""Areas relative to the median below and above which a cell counts as one that was split, or as several:
they do not count for the coefficient of variation."""

_HEXAGONS_LOST = 0.04
"""Share of hexagons that wrongly read borders cost: mean over cwru, strip, confocal and alizarine."""

_ROUNDS = 4
_SETTLED = 0.03
_DARKNESS = 0.3
"""Weight of the image beside the border map where borders are placed to a pixel."""


@dataclass(frozen=True)
class ReadCells:
    """The cells of an image at the reader's size.

    Attributes:
        cells: int32 (h, w), numbered from 1.
        probability: float32 (h, w), of a border.
        clear: bool, by number of the cell, 0 included.
        areas: float64, by number.
    """

    cells: np.ndarray
    probability: np.ndarray
    clear: np.ndarray
    areas: np.ndarray

    @property
    def seen(self) -> float:
        """Return the share of the image that is in clear cells."""
        return float(self.areas[self.clear].sum()) / self.cells.size

    @property
    def side(self) -> float | None:
        """Return the side of the clear cells, the root of their mean area; None without any."""
        return math.sqrt(float(self.areas[self.clear].mean())) if self.clear.any() else None


def find_side(reader: nn.Module, images: Sequence[np.ndarray]) -> float:
    """Return the side of a cell, in pixels, at which the reader sees most of some images of one instrument.

    Args:
        reader: from `load_reader`.
        images: uint8 grey levels, at least one.
    """
    seen = [
        sum(_read(reader, _middle(image, side, _TRIED), side).seen for image in images) for side in SIDES
    ]
    best = SIDES[int(np.argmax(seen))]
    found = [_read(reader, _middle(image, best, _TRIED), best).side for image in images]
    sides = [side * best / READER_SIDE for side in found if side is not None]
    return float(np.median(sides)) if sides else best


def measure_image(reader: nn.Module, image: np.ndarray, side: float, file: str) -> ImageMeasures:
    """Measure one image.

    Args:
        reader: from `load_reader`.
        image: uint8 grey levels (H, W).
        side: of a cell of its folder, in pixels, about.
        file: its name.
    """
    usual = side
    for _ in range(_ROUNDS):
        pixels = _middle(image, side, _READ)
        read = _read(reader, pixels, side)
        if read.side is None:
            break
        ratio = read.side / READER_SIDE
        # Images of one instrument differ in their cells, but not by more than this.
        better = min(max(side * ratio, usual / 1.8), usual * 1.8)
        done = abs(better / side - 1.0) < _SETTLED
        if done:
            break
        side = better
    factor = pixels.shape[0] / read.cells.shape[0]
    whole = read.clear & ~cut_by_edge(read.cells)
    neighbours = count_neighbours(read.cells, _SHARED)
    weights = weights_of_whole(read.cells, whole)
    measured = measure_cells(read.areas[whole], neighbours[whole], weights)
    areas = read.areas[whole]
    usual_area = float(np.median(areas)) if len(areas) else 0.0
    single = (areas >= _SPLIT * usual_area) & (areas <= _JOINED * usual_area)
    cv = measure_cells(areas[single], neighbours[whole][single], weights[single]).cv
    hexagonality = None if measured.hexagonality is None else measured.hexagonality + _HEXAGONS_LOST
    return ImageMeasures(
        file=file,
        width=image.shape[1],
        height=image.shape[0],
        seen=round(read.seen, 4),
        cells=measured.count,
        area=None if measured.mean_area is None else measured.mean_area * factor**2,
        cv=cv,
        hexagonality=hexagonality,
        stretch=_stretch(read.cells, whole),
        clarity=_clarity(pixels, read),
        guttae=guttae_of(image, side),
        ripple=_ripple(image),
    )


def _read(reader: nn.Module, pixels: np.ndarray, side: float) -> ReadCells:
    probability, cells = read_cells(reader, pixels, side)
    count = int(cells.max()) + 1
    areas = np.bincount(cells.ravel(), minlength=count).astype(np.float64)
    certain = border_certainty(cells, probability) >= _CLEAR
    clear = certain & (areas >= _LEAST_AREA) & (areas <= _LARGEST_AREA)
    return ReadCells(cells, probability, clear, areas)


def _middle(image: np.ndarray, side: float, size: int) -> np.ndarray:
    """Return the middle of an image, as large as `size` at the reader's size of cells."""
    most = max(IMAGE_SIZE, round(size * side / READER_SIDE))
    top, left = (max(0, (length - most) // 2) for length in image.shape)
    return image[top : top + most, left : left + most]


def _stretch(cells: np.ndarray, whole: np.ndarray) -> float | None:
    """Return the standard deviation of whole cells along rows over that along columns."""
    inside = whole[cells]
    if not inside.any():
        return None
    numbers = cells[inside]
    spreads = []
    for places in np.nonzero(inside):
        count = np.bincount(numbers)
        mean = np.bincount(numbers, weights=places) / np.maximum(count, 1)
        spreads.append(float(((places - mean[numbers]) ** 2).mean()))
    return math.sqrt(spreads[1] / max(spreads[0], 1e-9))


def _clarity(pixels: np.ndarray, read: ReadCells) -> float | None:
    """Return the median clarity of the crops of an image, as docs/mosaic.md defines it."""
    border, hidden = _placed_borders(pixels, read)
    found = []
    for top in range(0, pixels.shape[0] - IMAGE_SIZE + 1, IMAGE_SIZE // 2):
        for left in range(0, pixels.shape[1] - IMAGE_SIZE + 1, IMAGE_SIZE // 2):
            crop = np.s_[top : top + IMAGE_SIZE, left : left + IMAGE_SIZE]
            if hidden[crop].mean() < 0.6:
                found.append(measure_clarity(pixels[crop], clarity_weights(border[crop], hidden[crop])))
    known = [value for value in found if value is not None]
    return float(np.median(known)) if known else None


def _placed_borders(pixels: np.ndarray, read: ReadCells) -> tuple[np.ndarray, np.ndarray]:
    """Place the borders in the image as it is: the darkest line within the band that the reader sees.

    Returns:
        Distance to the nearest border, float64 (H, W), and where no clear cell is, bool (H, W).
    """
    rows, columns = (
        np.minimum((np.arange(size) + 0.5) * found // size, found - 1).astype(np.int64)
        for size, found in zip(pixels.shape, read.cells.shape, strict=True)
    )
    cells = read.cells[rows][:, columns]
    zoom = [size / found for size, found in zip(pixels.shape, read.cells.shape, strict=True)]
    likely = ndimage.zoom(read.probability, zoom, order=1, mode="nearest", grid_mode=True)
    grey = ndimage.gaussian_filter(pixels.astype(np.float64), 0.7)
    local = grey - ndimage.gaussian_filter(grey, 8.0)
    spread = np.sqrt(ndimage.gaussian_filter(local**2, 16.0)) + 1.0
    relief = likely - _DARKNESS * local / spread
    inner = ndimage.distance_transform_edt(~edge_pixels(cells)) > 2.0 * max(1.0, zoom[0])
    placed = watershed(relief, np.where(inner, cells, 0))  # type: ignore[no-untyped-call]
    # Between two pixels of different cells the border is half a pixel away from both.
    distance = ndimage.distance_transform_edt(~edge_pixels(placed)) + 0.5
    return distance, ~read.clear[placed]


def _ripple(image: np.ndarray) -> float:
    """Return how much stronger grey levels alternate from row to row than from column to column."""
    rows, columns = (_alternation(image, axis) for axis in (0, 1))
    return rows / max(columns, 1e-6)


def _alternation(image: np.ndarray, axis: int) -> float:
    profiles = [
        part.mean(axis=1 - axis)
        for part in np.array_split(image.astype(np.float64), max(1, image.shape[1 - axis] // 128), 1 - axis)
    ]
    smooth = np.array([1.0, 4.0, 6.0, 4.0, 1.0]) / 16.0
    found = []
    for profile in profiles:
        for part in np.array_split(profile, max(1, len(profile) // 128)):
            rest = part - np.convolve(np.pad(part, 2, mode="reflect"), smooth, "valid")
            found.append(abs(float((rest * (-1.0) ** np.arange(len(rest))).mean())))
    return float(np.median(found))
