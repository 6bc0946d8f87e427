"""Cells of an image without annotation and without a trained network: generated and real ones alike.

Bright cells with dark borders repeat at about one distance, which shows as a peak of the power spectrum (as
in Selig et al. 2015, BMC Medical Imaging, who find the size of cells by it and the cells by watershed). The
image is resized to one size of cells, so that one set of constants fits all; dark ridges of the width of
borders are found; the places furthest from them are seeds of a watershed on the ridges.

The constants were chosen on every other image of gavet, cwru and strip in `../shared/data` by the errors
that `training.scores.cells.error` measures; it reports those on the other half, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.ndimage import gaussian_filter
from skimage.feature import peak_local_max
from skimage.segmentation import watershed

from endotwin.mosaic.morphometry import Morphometry, measure_cells
from endotwin.segmentation.cells import neighbour_pairs

SMALLEST, LARGEST = 10.0, 64.0
"""Sides of cells (root of the area), in pixels, that are looked for."""

SIDE = 20.0
"""Side of a cell, in pixels, in the image as it is segmented; the lengths below are of that image."""

_RIDGE = 3.2
"""Standard deviation of the derivatives by which dark ridges are found."""

_SEED = 4.0
"""Standard deviation of the blur of the ridges, between which the seeds lie."""

_SEEDS_APART = 6
_SURROUNDINGS = SIDE
"""Standard deviation of the surroundings whose mean and contrast are taken off."""

_FINAL_BLUR = 0.5

_FREQUENCY_TIMES_SIDE = 1.13
"""Frequency of the spectrum's peak times the side of a cell: median of the images the constants are from.
For hexagons of one size it is 1.07."""

_TRANSFORM = 512
_PEAK_POWER = 1.5
"""The spectrum is multiplied by the frequency to this power: it falls in every image, peak or not."""

_PEAK_BLUR = np.hanning(11) / np.hanning(11).sum()
_FINE, _COARSE, _AROUND = 1.0, 12.0, 16.0  # Gaussians, pixels, of the image whose spectrum is taken
_LEAST_CONTRAST = 1.0

_FLAT = 0.5
"""Grey levels. An image of which half of the places have less structure than this shows no cells."""


@dataclass(frozen=True)
class WholeCells:
    """The cells of an image that do not touch its edge.

    Attributes:
        areas: float64 (n,), in pixels; a cell reaches to the middle of its borders.
        neighbours: int64 (n,), cells with which it shares a side of a pixel.
        weights: float64 (n,), one over the number of places at which the cell would be whole: large cells
            are cut more often, and count the more where they are not (Miles and Lantuéjoul).
    """

    areas: np.ndarray
    neighbours: np.ndarray
    weights: np.ndarray

    def measure(self) -> Morphometry:
        """Return the numbers of these cells, each counted by its weight."""
        return measure_cells(self.areas, self.neighbours, self.weights)


def cells_from_image(pixels: np.ndarray) -> np.ndarray:
    """Find the cells of an image.

    Args:
        pixels: uint8 grey levels (H, W), H and W at least 64.

    Returns:
        int32 (H, W): every pixel belongs to a cell, numbered from 1; all 0 where the image shows nothing.
    """
    side = cell_side(pixels)
    if side is None:
        return np.zeros(pixels.shape, dtype=np.int32)
    zoomed = ndimage.zoom(pixels.astype(np.float32), SIDE / side, order=1, mode="reflect", grid_mode=True)
    even = zoomed - gaussian_filter(zoomed, _SURROUNDINGS)
    ridges = np.maximum(_largest_curvature(_even_contrast(even, _SURROUNDINGS)), 0.0)
    ridges /= np.sqrt(gaussian_filter(ridges * ridges, _SURROUNDINGS) + 1e-6)
    seeds = peak_local_max(  # type: ignore[no-untyped-call]
        -gaussian_filter(ridges, _SEED), min_distance=_SEEDS_APART, exclude_border=False
    )
    markers = np.zeros(ridges.shape, dtype=np.int32)
    markers[tuple(seeds.T)] = np.arange(1, len(seeds) + 1)
    cells = watershed(gaussian_filter(ridges, _FINAL_BLUR), markers)  # type: ignore[no-untyped-call]
    rows, columns = (
        np.minimum((np.arange(size) + 0.5) * found // size, found - 1).astype(np.int64)
        for size, found in zip(pixels.shape, cells.shape, strict=True)
    )
    return np.asarray(cells[rows][:, columns], dtype=np.int32)


def cell_side(pixels: np.ndarray) -> float | None:
    """Return the side of a typical cell (root of its area) in pixels, by the image's spectrum.

    Args:
        pixels: uint8 grey levels (H, W).

    Returns:
        10 to 64; None where the image shows nothing.
    """
    grey = pixels.astype(np.float32)
    band = gaussian_filter(grey, _FINE) - gaussian_filter(grey, _COARSE)
    if float(np.median(np.abs(band))) < _FLAT:
        return None
    band = _even_contrast(band, _AROUND)
    height, width = pixels.shape
    window = np.hanning(height + 2)[1:-1, None] * np.hanning(width + 2)[None, 1:-1]
    size = max(_TRANSFORM, height, width)
    power = np.abs(np.fft.rfft2((band - band.mean()) * window, s=(size, size))) ** 2
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None])
    ring = np.rint(frequency * size).astype(np.int64).ravel()
    radial = np.bincount(ring, weights=power.ravel()) / np.bincount(ring)
    radial = np.convolve(radial, _PEAK_BLUR, "same")
    rings = np.arange(len(radial)) / size
    low, high = _FREQUENCY_TIMES_SIDE / LARGEST, _FREQUENCY_TIMES_SIDE / SMALLEST
    looked_at = np.where((rings >= low) & (rings <= high), radial * rings**_PEAK_POWER, 0.0)
    return float(_FREQUENCY_TIMES_SIDE / rings[looked_at.argmax()])


def whole_cells(cells: np.ndarray) -> WholeCells:
    """Measure the cells that do not touch the image's edge.

    Args:
        cells: int (H, W), numbered from 1 as from `cells_from_image`; 0 is no cell.
    """
    height, width = cells.shape
    count = int(cells.max()) + 1
    neighbours = np.bincount(neighbour_pairs(cells).ravel(), minlength=count)
    areas = np.bincount(cells.ravel(), minlength=count)
    whole = areas > 0
    whole[np.concatenate([[0], cells[0], cells[-1], cells[:, 0], cells[:, -1]])] = False
    boxes = ndimage.find_objects(cells)
    places = [
        (height - 1 - (box[0].stop - box[0].start)) * (width - 1 - (box[1].stop - box[1].start))
        for box in (boxes[k - 1] for k in np.flatnonzero(whole))
    ]
    return WholeCells(
        areas=areas[whole].astype(np.float64),
        neighbours=neighbours[whole],
        weights=1.0 / np.array(places, dtype=np.float64),
    )


def join_cells(found: Sequence[WholeCells]) -> WholeCells:
    """Return the cells of several images, at least one, as one set."""
    return WholeCells(
        areas=np.concatenate([cells.areas for cells in found]),
        neighbours=np.concatenate([cells.neighbours for cells in found]),
        weights=np.concatenate([cells.weights for cells in found]),
    )


def area_quantiles(cells: WholeCells, percents: Sequence[int]) -> dict[str, float]:
    """Return the areas below which so many percent of the cells are; nothing without a cell."""
    if len(cells.areas) == 0:
        return {}
    order = np.argsort(cells.areas)
    areas, weights = cells.areas[order], cells.weights[order]
    below = (np.cumsum(weights) - weights / 2.0) / weights.sum()
    found = np.interp(np.array(percents) / 100.0, below, areas)
    return {str(percent): round(float(area), 1) for percent, area in zip(percents, found, strict=True)}


def _even_contrast(values: np.ndarray, around: float) -> np.ndarray:
    even: np.ndarray = values / np.sqrt(gaussian_filter(values * values, around) + _LEAST_CONTRAST**2)
    return even


def _largest_curvature(values: np.ndarray) -> np.ndarray:
    """Return the larger eigenvalue of the second derivatives: high along dark lines."""
    by_rows, by_columns, mixed = (
        gaussian_filter(values, _RIDGE, order=order) for order in ((2, 0), (0, 2), (1, 1))
    )
    largest: np.ndarray = (by_rows + by_columns) / 2.0 + np.hypot((by_rows - by_columns) / 2.0, mixed)
    return _RIDGE**2 * largest
