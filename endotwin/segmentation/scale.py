"""The size at which a segmenter sees an image: that at which its cells are as large as those it learned."""

from __future__ import annotations

import math

import numpy as np
from torch import nn

from endotwin.segmentation.cells import cells_from_borders
from endotwin.segmentation.certain_cells import border_certainty
from endotwin.segmentation.windows import border_probability, resize

ALIKE = 1.25
"""Cells whose sides differ by at most this factor count as of one size: no image is resized for less."""

CERTAIN = 0.75
"""A cell counts from this probability on of a border around it, less that inside it."""

SMALLEST = 64
"""Shortest side, pixels, at which an image is shown to the network."""

ZOOMS = tuple(float(zoom) for zoom in np.geomspace(0.3, 2.4, 10))
"""Sizes that are tried, relative to the image as it is."""

_TRIED = 320
"""Side in pixels of the middle part that is tried at each size."""

_LEAST_SEEN = 0.05
"""Share of the middle in cells, below which no size is better than another."""

_LEAST_AREA, _LARGEST_AREA = 0.3, 3.0
"""Of a cell that counts while sizes are tried, relative to those learned."""


def find_zoom(network: nn.Module, image: np.ndarray, side: float) -> float:
    """Return the size at which the network sees cells in most of an image, relative to the image as it is.

    Args:
        network: the segmenter's.
        image: uint8 (H, W).
        side: of the cells that it learned, root of their mean area, pixels.

    Returns:
        1 where the cells are about as large as those learned.
    """
    seen = [_seen(network, image, zoom, side) for zoom in ZOOMS]
    best = int(np.argmax([share for share, _ in seen]))
    share, found = seen[best]
    if share < _LEAST_SEEN:
        return 1.0
    zoom = ZOOMS[best] * side / found
    return 1.0 if 1 / ALIKE <= zoom <= ALIKE else zoom


def shown(image: np.ndarray, zoom: float) -> np.ndarray:
    """Return an image at another size, no side below 64 pixels."""
    zoom = max(zoom, SMALLEST / min(image.shape))
    height, width = (round(zoom * size) for size in image.shape)
    return image if (height, width) == image.shape else resize(image, height, width)


def _seen(network: nn.Module, image: np.ndarray, zoom: float, side: float) -> tuple[float, float]:
    """Return the share of the middle that is in certain cells at a zoom, and the side of these there."""
    part = shown(_middle(image, _TRIED / zoom), zoom)
    probability = border_probability(network, part, "cpu")
    cells = cells_from_borders(probability)
    areas = np.bincount(cells.ravel()).astype(np.float64)
    certain = border_certainty(cells, probability) >= CERTAIN
    certain &= (areas >= _LEAST_AREA * side**2) & (areas <= _LARGEST_AREA * side**2)
    if not certain.any():
        return 0.0, side
    return float(areas[certain].sum()) / cells.size, math.sqrt(float(areas[certain].mean()))


def _middle(image: np.ndarray, size: float) -> np.ndarray:
    height, width = (min(length, math.ceil(size)) for length in image.shape)
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    return image[top : top + height, left : left + width]
