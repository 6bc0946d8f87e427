"""Masks of what shows no cells: text and lines, panels, frames, and the saturated band of the slit."""

from __future__ import annotations

import cv2
import numpy as np

from training.curation.thresholds import Cutting

_STROKE_MARGIN = 3
_LETTER_GAP = 6
_EDGE_ZONE = 0.12
_CLIPPED = 250
_DARK = 40
_WHOLE_LINE = 0.98
_AROUND_STROKE = 12
_RAMP = 8
_STILL_RISING = 0.6
_BAND_MARGIN = 4
_BAND_SMOOTHING = 3.0
_BAND_LENGTH = 0.6
_BAND_ZONE = 0.2


def _range(grey: np.ndarray, size: int) -> np.ndarray:
    kernel = np.ones((size, size), np.uint8)
    return cv2.subtract(cv2.dilate(grey, kernel), cv2.erode(grey, kernel))


def grown(mask: np.ndarray, by: int) -> np.ndarray:
    """Return a mask with a margin of some pixels around it."""
    larger: np.ndarray = cv2.dilate(mask.astype(np.uint8), np.ones((2 * by + 1, 2 * by + 1), np.uint8)) > 0
    return larger


def blurred(levels: np.ndarray, sigma: float) -> np.ndarray:
    """Blur levels by a Gaussian, reflected at the edges."""
    smooth: np.ndarray = cv2.GaussianBlur(levels, (0, 0), sigma, borderType=cv2.BORDER_REFLECT)
    return smooth


def find_strokes(grey: np.ndarray, frames: np.ndarray, cutting: Cutting) -> np.ndarray:
    """Find text, scale bars and lines outside the frames: steep steps of some length around the ink.

    A small one that stands alone is a speck, since letters have neighbours.
    """
    steep = (_range(grey, 3) >= cutting.stroke_step) & ~grown(frames, 2)
    _, labels, statistics, _ = cv2.connectedComponentsWithStats(steep.astype(np.uint8), connectivity=8)
    long = np.asarray(_extents(statistics) >= cutting.stroke_length)
    long[:1] = False  # the background
    if not long.any():
        return np.zeros(grey.shape, dtype=bool)
    # Letters form groups; what touches other dark structure in one letter is clear in the next.
    near = grown(long[labels], _LETTER_GAP).astype(np.uint8)
    _, groups, group_statistics, _ = cv2.connectedComponentsWithStats(near, connectivity=8)
    outlined, pixels = np.zeros(len(group_statistics)), np.zeros(len(group_statistics))
    for label in np.flatnonzero(long):
        left, top, width, height, area = statistics[label]
        margin = _AROUND_STROKE
        window = np.s_[
            max(top - margin, 0) : top + height + margin, max(left - margin, 0) : left + width + margin
        ]
        stroke = labels[window] == label
        group = groups[window][stroke][0]
        outlined[group] += area * _outlined_share(grey[window], stroke)
        pixels[group] += area
    ink = _extents(group_statistics) - 2 * _LETTER_GAP >= cutting.lone_stroke_length
    ink &= outlined >= cutting.ink_outline_min * np.maximum(pixels, 1)
    ink[:1] = False
    return grown(long[labels] & ink[groups], _STROKE_MARGIN)


def _extents(statistics: np.ndarray) -> np.ndarray:
    """Return the longer side of each component's box."""
    longer: np.ndarray = statistics[:, (cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT)].max(axis=1)
    return longer


def _outlined_share(grey: np.ndarray, stroke: np.ndarray) -> float:
    """Return the share of an ink's outline that is a steep step.

    The ink is what lies beyond the middle between the surroundings and the stroke's most different level. A
    letter is steep all around; a reflex fades out on one side, and a cell border is steep in a few places.
    """
    levels = grey.astype(np.int16)
    around = ~grown(stroke, 3)
    ground = int(np.median(levels[around] if around.any() else levels))
    lightest, darkest = int(levels[stroke].max()), int(levels[stroke].min())
    light = lightest - ground >= ground - darkest
    beyond = levels > (lightest + ground) // 2 if light else levels < (darkest + ground) // 2
    _, labels = cv2.connectedComponents(beyond.astype(np.uint8), connectivity=8)
    touching = np.unique(labels[grown(stroke, 1) & beyond])
    ink = np.isin(labels, touching[touching > 0])
    inner = cv2.erode(ink.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=1) > 0
    outline = ink & ~inner
    return float(grown(stroke, 1)[outline].mean()) if outline.any() else 0.0


def find_panels(grey: np.ndarray, cutting: Cutting) -> np.ndarray:
    """Find even areas with a hard outline."""
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
        outline = grown(area_mask, 5) & ~grown(area_mask, 2)
        # Cell borders inside glare are steps, too, but smaller than those of print on white.
        clipped = grey[window][area_mask].mean() >= _CLIPPED
        step = cutting.outline_step_white if clipped else cutting.outline_step
        if outline.any() and (steps[window][outline] >= step).mean() < cutting.outline_share_min:
            continue
        panels[window] |= grown(area_mask, 5)
    return panels


def find_frames(grey: np.ndarray, cutting: Cutting) -> np.ndarray:
    """Find the frame of each side: up to its last hard step, and its black or even lines."""
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
        mask[: _black_lines(view, zone, cutting.black_level)] = True
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


def _black_lines(view: np.ndarray, zone: int, black_level: int) -> int:
    """Count the black lines at the top of an image, and the lines of the step that ends them.

    Ticks on the frame are less than a tenth of a line.
    """
    lines = view[: zone + 2 * _RAMP]
    light = np.percentile(lines, 90, axis=1) > black_level
    first = int(np.argmax(light)) if light.any() else zone
    if first == 0 or first >= zone:
        return min(first, zone)
    level = np.median(lines, axis=1)
    last = first
    while last < first + _RAMP and level[last] < _STILL_RISING * level[min(last + _RAMP, len(level) - 1)]:
        last += 1
    return last + 1


def find_band(grey: np.ndarray, cutting: Cutting) -> np.ndarray:
    """Find the saturated band of the slit's light: bright, without structure, along most of one side."""
    levels = grey.astype(np.float32)
    bright = blurred(levels, _BAND_SMOOTHING) >= cutting.band_level
    band = np.zeros(grey.shape, dtype=bool)
    if not bright.any():
        return band
    detail = blurred(levels, 1.0) - blurred(levels, 4.0)
    strength = np.sqrt(blurred(detail * detail, _BAND_SMOOTHING))
    plain = cv2.morphologyEx(
        (bright & (strength < cutting.band_detail_max)).astype(np.uint8),
        cv2.MORPH_CLOSE,
        np.ones((9, 9), np.uint8),
    )
    count, labels, statistics, _ = cv2.connectedComponentsWithStats(plain, connectivity=4)
    rows, columns = grey.shape
    for label in range(1, count):
        left, top, width, height, _ = statistics[label]
        beside = min(left, columns - left - width) <= _BAND_ZONE * columns
        over = min(top, rows - top - height) <= _BAND_ZONE * rows
        if (beside and height >= _BAND_LENGTH * rows) or (over and width >= _BAND_LENGTH * columns):
            band |= labels == label
    return grown(band, _BAND_MARGIN) if band.any() else band
