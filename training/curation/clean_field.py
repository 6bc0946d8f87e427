"""The largest part of an image without text, scale bars, graphs, frames and panels."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from training.curation.image_files import DecodedImage
from training.curation.thresholds import Cutting

COLOURED = 40
"""Largest minus smallest of red, green and blue above which a pixel counts as coloured."""

_BLOCK = 4
_STROKE_MARGIN = 5
_EDGE_ZONE = 0.12
_MOSTLY = 0.25
_CLIPPED = 250
_DARK = 40
_WHOLE_LINE = 0.98


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
        box: the largest clean rectangle; its area is 0 if nothing is clean.
        found: share of the image's pixels by what was found: overlay (text, lines, bars), panel, frame,
            coloured. Kinds that were not found are absent.
    """

    box: Box
    found: dict[str, float]


def find_clean_field(picture: DecodedImage, cutting: Cutting) -> CleanField:
    """Find the clean field of an image."""
    grey = picture.grey
    kinds = {
        "overlay": _strokes(grey, cutting),
        "panel": _panels(grey, cutting),
        "frame": _frames(grey, cutting),
    }
    if picture.chroma is not None:
        coloured = picture.chroma > COLOURED
        if coloured.mean() < _MOSTLY:  # else it is a colour photograph, which is for another check
            kinds["coloured"] = _grown(coloured, _STROKE_MARGIN)
    dirty = np.zeros(grey.shape, dtype=bool)
    for mask in kinds.values():
        dirty |= mask
    # Between the lines of a text, and between a panel and the letters on it, nothing is worth keeping.
    closed = cv2.morphologyEx(
        np.pad(dirty.astype(np.uint8), 8, mode="edge"), cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8)
    )
    dirty |= closed[8:-8, 8:-8].astype(bool)
    found = {kind: float(mask.mean()) for kind, mask in kinds.items() if mask.any()}
    return CleanField(largest_clean_box(dirty), found)


def largest_clean_box(dirty: np.ndarray) -> Box:
    """Return the rectangle of largest area without a dirty pixel, to blocks of 4 pixels.

    Args:
        dirty: bool (height, width).
    """
    height, width = dirty.shape
    if not dirty.any():
        return Box(0, 0, width, height)
    rows, columns = -(-height // _BLOCK), -(-width // _BLOCK)
    padded = np.zeros((rows * _BLOCK, columns * _BLOCK), dtype=bool)
    padded[:height, :width] = dirty
    clean = ~np.asarray(padded.reshape(rows, _BLOCK, columns, _BLOCK).any(axis=(1, 3)))
    best, area = (0, 0, 0, 0), 0
    run = np.zeros(columns, dtype=np.int64)
    for row in range(rows):
        run = np.where(clean[row], run + 1, 0)
        for left, right, tall in _boxes_below(run.tolist()):
            if (right - left) * tall > area:
                area = (right - left) * tall
                best = (left, row + 1 - tall, right, row + 1)
    left, top, right, bottom = (edge * _BLOCK for edge in best)
    return Box(left, top, min(right, width), min(bottom, height))


def flatten_illumination(grey: np.ndarray, cell_scale: float = 40.0) -> np.ndarray:
    """Take the slow drift of illumination out of an image, and keep its mean level.

    Args:
        grey: uint8 (height, width).
        cell_scale: standard deviation in pixels of the Gaussian that the drift is found with.
    """
    levels = grey.astype(np.float32)
    drift = cv2.GaussianBlur(levels, (0, 0), cell_scale, borderType=cv2.BORDER_REFLECT)
    flat = levels - drift + float(levels.mean())
    return np.clip(np.round(flat), 0, 255).astype(np.uint8)


def _boxes_below(heights: list[int]) -> list[tuple[int, int, int]]:
    """Return (left, right, height) of every rectangle that cannot be wider below a skyline of heights."""
    boxes = []
    rising: list[tuple[int, int]] = []  # (left, height), heights rising
    for place, height in enumerate([*heights, 0]):
        left = place
        while rising and rising[-1][1] >= height:
            left, tall = rising.pop()
            boxes.append((left, place, tall))
        rising.append((left, height))
    return boxes


def _range(grey: np.ndarray, size: int) -> np.ndarray:
    kernel = np.ones((size, size), np.uint8)
    return cv2.subtract(cv2.dilate(grey, kernel), cv2.erode(grey, kernel))


def _grown(mask: np.ndarray, by: int) -> np.ndarray:
    grown: np.ndarray = cv2.dilate(mask.astype(np.uint8), np.ones((2 * by + 1, 2 * by + 1), np.uint8)) > 0
    return grown


def _strokes(grey: np.ndarray, cutting: Cutting) -> np.ndarray:
    steps = (_range(grey, 3) >= cutting.stroke_step).astype(np.uint8)
    _, labels, statistics, _ = cv2.connectedComponentsWithStats(steps, connectivity=8)
    extents = statistics[:, (cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT)].max(axis=1)
    long = np.asarray(extents >= cutting.stroke_length)
    long[:1] = False  # the background
    strokes = long[labels]
    return _grown(strokes, _STROKE_MARGIN) if strokes.any() else strokes


def _panels(grey: np.ndarray, cutting: Cutting) -> np.ndarray:
    flat = (_range(grey, 7) <= cutting.flat_range).astype(np.uint8)
    panels = np.zeros(grey.shape, dtype=bool)
    count, labels, statistics, _ = cv2.connectedComponentsWithStats(flat, connectivity=4)
    steps = _range(grey, 5)
    for label in range(1, count):
        left, top, width, height, area = statistics[label]
        if area < cutting.flat_area_min * grey.size:
            continue
        margin = 7  # the outline lies 3 pixels outside, where the 7 × 7 range first meets the step
        window = np.s_[
            max(top - margin, 0) : top + height + margin, max(left - margin, 0) : left + width + margin
        ]
        area_mask = labels[window] == label
        outline = _grown(area_mask, 5) & ~_grown(area_mask, 2)
        # Cell borders inside glare are steps, too, but smaller than those of print on white.
        clipped = grey[window][area_mask].mean() >= _CLIPPED
        step = cutting.outline_step_white if clipped else cutting.outline_step
        if outline.any() and (steps[window][outline] >= step).mean() < cutting.outline_share_min:
            continue
        panels[window] |= _grown(area_mask, 5)
    return panels


def _frames(grey: np.ndarray, cutting: Cutting) -> np.ndarray:
    frames = np.zeros(grey.shape, dtype=bool)
    levels = grey.astype(np.int16)
    for turn in range(4):  # each side in turn is the top of a rotated view
        view, mask = np.rot90(levels, turn), np.rot90(frames, turn)
        zone = max(3, int(_EDGE_ZONE * view.shape[0]))
        top = view[: zone + 2]
        steps = np.median(np.abs(top[2:] - top[:-2]), axis=1)
        edges = np.flatnonzero(steps >= cutting.frame_step)
        if len(edges):
            mask[: edges[-1] + 3] = True
        # A grey frame of about the image's own level has no step; but each of its lines is of one level.
        # Lines of the dark or saturated side of an image are, too: those stay.
        level = np.median(view, axis=1, keepdims=True)
        even = np.abs(view - level) <= cutting.flat_range
        grey_line = (level[:, 0] > _DARK) & (level[:, 0] < _CLIPPED)
        uneven = np.flatnonzero((even.mean(axis=1) < _WHOLE_LINE) | ~grey_line)
        first = int(uneven[0]) if len(uneven) else len(view)
        if first:
            mask[: first + 1] = True
    return frames
