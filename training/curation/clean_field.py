"""The largest part of an image without text, scale bars, graphs, frames, panels and saturated bands."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from endotwin.image_range import IMAGE_SIZE
from training.curation.cut_parts import blurred, find_band, find_frames, find_panels, find_strokes, grown
from training.curation.image_files import DecodedImage
from training.curation.thresholds import Cutting

COLOURED = 40
"""Largest minus smallest of red, green and blue above which a pixel counts as coloured."""

_BLOCK = 4
_COLOUR_MARGIN = 5
_MOSTLY = 0.25
_PRICE = 3.0
"""Pixels of the field that a pixel of a band is worth: a slanted band would take a wedge of cells."""


@dataclass(frozen=True)
class Box:
    """A rectangle of pixels: left and top inside, right and bottom outside."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        """Columns."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """Rows."""
        return self.bottom - self.top

    @property
    def area(self) -> int:
        """Pixels."""
        return self.width * self.height

    def cut(self, pixels: np.ndarray) -> np.ndarray:
        """Return the part of an image that lies in the box."""
        return pixels[self.top : self.bottom, self.left : self.right]

    def scaled(self, factor: int, width: int, height: int) -> Box:
        """Return the box on an image that is larger by a whole factor, inside its width and height."""
        return Box(
            self.left * factor,
            self.top * factor,
            width if self.right * factor + factor > width else self.right * factor,
            height if self.bottom * factor + factor > height else self.bottom * factor,
        )


@dataclass(frozen=True)
class CleanField:
    """The clean field of an image, and what lies beside or inside it.

    Attributes:
        box: the largest rectangle that is clean, but for a wedge of a slanted band; its area is 0 if
            nothing is clean.
        with_bands: the largest rectangle that is clean, if bands count as clean.
        found: share of the image's pixels by what was found: overlay (text, lines, bars), panel, frame,
            coloured, band. Kinds that were not found are absent.
    """

    box: Box
    with_bands: Box
    found: dict[str, float]


def find_clean_field(picture: DecodedImage, cutting: Cutting) -> CleanField:
    """Find the clean field of an image."""
    grey = picture.grey
    frames = find_frames(grey, cutting)
    kinds = {
        "overlay": find_strokes(grey, frames, cutting),
        "panel": find_panels(grey, cutting),
        "frame": frames,
    }
    if picture.chroma is not None:
        coloured = picture.chroma > COLOURED
        if coloured.mean() < _MOSTLY:  # else it is a colour photograph, which is for another check
            kinds["coloured"] = grown(coloured, _COLOUR_MARGIN)
    dirty = np.zeros(grey.shape, dtype=bool)
    for mask in kinds.values():
        dirty |= mask
    # Between the lines of a text, and between a panel and the letters on it, nothing is worth keeping.
    closed = cv2.morphologyEx(
        np.pad(dirty.astype(np.uint8), 8, mode="edge"), cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8)
    )
    dirty |= closed[8:-8, 8:-8].astype(bool)
    band = find_band(grey, cutting)
    kinds["band"] = band
    found = {kind: float(mask.mean()) for kind, mask in kinds.items() if mask.any()}
    with_bands = largest_clean_box(dirty)
    box = largest_clean_box(dirty, band & ~dirty) if band.any() else with_bands
    return CleanField(box, with_bands, found)


def largest_clean_box(dirty: np.ndarray, band: np.ndarray | None = None) -> Box:
    """Return the rectangle of largest area without a dirty pixel, to blocks of 4 pixels.

    Args:
        dirty: bool (height, width).
        band: bool (height, width): pixels that may be inside, at the price of `_PRICE` others each. A box
            narrower than a training crop is widened over them.
    """
    height, width = dirty.shape
    if not dirty.any() and (band is None or not band.any()):
        return Box(0, 0, width, height)
    worth = _block_sums(np.ones(dirty.shape, dtype=bool))
    if band is not None:
        worth -= (1 + _PRICE) * _block_sums(band)
    worth[_block_sums(dirty) > 0] = -np.inf
    left, top, right, bottom = _box_of_largest_sum(worth)
    if band is not None:
        left, right = _widened(worth[top:bottom].sum(axis=0), left, right)
        top, bottom = _widened(worth[:, left:right].sum(axis=1), top, bottom)
    left, top, right, bottom = (edge * _BLOCK for edge in (left, top, right, bottom))
    return Box(left, top, min(right, width), min(bottom, height))


def _block_sums(mask: np.ndarray) -> np.ndarray:
    """Count the pixels of a mask in each block: float64 (rows, columns)."""
    height, width = mask.shape
    rows, columns = -(-height // _BLOCK), -(-width // _BLOCK)
    padded = np.zeros((rows * _BLOCK, columns * _BLOCK), dtype=bool)
    padded[:height, :width] = mask
    sums: np.ndarray = padded.reshape(rows, _BLOCK, columns, _BLOCK).sum(axis=(1, 3), dtype=np.float64)
    return sums


def _box_of_largest_sum(worth: np.ndarray) -> tuple[int, int, int, int]:
    """Return (left, top, right, bottom) of the rectangle of largest sum; all 0 if no sum is above 0.

    For each top row and all bottom rows below it at once: the largest sum along the columns (Kadane).

    Args:
        worth: of each block; -inf where no rectangle may be.
    """
    if worth.shape[0] > worth.shape[1]:
        top, left, bottom, right = _box_of_largest_sum(worth.T)
        return left, top, right, bottom
    rows, columns = worth.shape
    # A forbidden block costs more than all others together.
    finite = np.where(np.isfinite(worth), worth, -1e9)
    down = np.vstack([np.zeros((1, columns)), finite.cumsum(axis=0)])
    best, largest = (0, 0, 0, 0), 0.0
    for top in range(rows):
        along = np.zeros((rows - top, columns + 1))
        np.cumsum(down[top + 1 :] - down[top], axis=1, out=along[:, 1:])
        sums = along[:, 1:] - np.minimum.accumulate(along[:, :-1], axis=1)
        row, column = divmod(int(sums.argmax()), columns)
        if sums[row, column] > largest:
            largest = float(sums[row, column])
            left = int(along[row, : column + 1].argmin())
            best = (left, top, column + 1, top + row + 1)
    return best


def _widened(worth: np.ndarray, first: int, end: int) -> tuple[int, int]:
    """Return an interval of blocks, widened to a training crop where that is allowed and costs least."""
    side = -(-IMAGE_SIZE // _BLOCK)
    if not 0 < end - first < side:
        return first, end
    starts = range(max(0, end - side), min(first, len(worth) - side) + 1)
    costs = {start: float(worth[start : start + side].sum()) for start in starts}
    start = max(costs, key=lambda start: costs[start], default=None)
    return (first, end) if start is None or costs[start] == -np.inf else (start, start + side)


def flatten_illumination(grey: np.ndarray, cell_scale: float = 40.0) -> np.ndarray:
    """Take the slow drift of illumination out of an image, and keep its mean level.

    Args:
        grey: uint8 (height, width).
        cell_scale: standard deviation in pixels of the Gaussian that the drift is found with.
    """
    levels = grey.astype(np.float32)
    drift = blurred(levels, cell_scale)
    flat = levels - drift + float(levels.mean())
    return np.asarray(np.clip(np.round(flat), 0, 255).astype(np.uint8))
