"""Where cells can be seen in an image, by lines at several scales.

Cell borders are dark lines on lighter cells, in all directions. Haze, glare and other layers of the cornea
have weaker lines, lines that are as often light as dark, or lines of one direction. `READER` weighs these;
`python -m benchmarks.curation_truth --fit` fits it anew to the cells that a reader counted.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from training.curation.cut_parts import blurred

SCALES = (1.0, 1.5, 2.2, 3.2, 4.6)
"""Standard deviations in pixels of the lines that are looked for."""

STEP = 8
"""Places are this many pixels apart, the first in the middle of the first step."""

_WINDOW = 20.0
_FLOOR = 0.05
_DARKEST = 5.0


@dataclass(frozen=True)
class Reader:
    """A logistic regression: the probability that cells can be seen at a place.

    Attributes:
        weights: of each of `line_features`.
        offset: added to the weighted sum; the logit of the probability.
    """

    weights: tuple[float, ...]
    offset: float


READER = Reader(
    weights=(2.730, -17.976, 3.570, 1.897, 1.949, 19.441, -0.805, 6.215, -2.847, -9.950, -2.419),
    offset=25.067,
)
"""Fitted to half of the clinic's blocks of images, the other sources, and blurred copies of these."""


def visible_share(grey: np.ndarray) -> float:
    """Return the share of an image in which cells can be seen: the mean probability over its places.

    Args:
        grey: uint8 (height, width), at least 16 pixels a side.
    """
    score = line_features(grey) @ np.array(READER.weights) + READER.offset
    return float(np.mean(1 / (1 + np.exp(-score))))


def line_features(grey: np.ndarray) -> np.ndarray:
    """Describe the lines around each place: float32 (rows, columns, 11), places `STEP` pixels apart.

    For each scale the log of the strength of dark lines relative to the brightness, and of dark lines
    relative to light ones; last how much edges share one direction, 0 to 1 (coherence of the structure
    tensor). A line's strength is the larger eigenvalue of the Hessian, scaled by the squared scale
    (Lindeberg 1998), averaged (root mean square) over a Gaussian of 20 pixels.

    Args:
        grey: uint8 (height, width), at least 16 pixels a side.
    """
    levels = grey.astype(np.float32)
    brightness = _around(levels) + _DARKEST
    features = []
    for scale in SCALES:
        larger, smaller = _curvatures(levels, scale)
        dark = np.where(larger > -smaller, np.maximum(larger, 0), 0)
        light = np.where(-smaller > larger, np.maximum(-smaller, 0), 0)
        dark_strength = np.sqrt(_around(dark * dark)) + _FLOOR
        light_strength = np.sqrt(_around(light * light)) + _FLOOR
        features += [np.log(dark_strength / brightness), np.log(dark_strength / light_strength)]
    cells = blurred(levels, 2.0) - blurred(levels, 8.0)
    across = cv2.Sobel(cells, cv2.CV_32F, 1, 0)
    down = cv2.Sobel(cells, cv2.CV_32F, 0, 1)
    xx, yy, xy = (_around(product) for product in (across * across, down * down, across * down))
    features.append(np.sqrt((xx - yy) ** 2 + 4 * xy * xy) / (xx + yy + _FLOOR))
    return np.stack(features, axis=-1)


def _curvatures(levels: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the larger and the smaller eigenvalue of the Hessian at a scale, times the squared scale."""
    smooth = blurred(levels, scale)
    second = np.array([[1, -2, 1]], dtype=np.float32)
    mixed = np.array([[1, 0, -1], [0, 0, 0], [-1, 0, 1]], dtype=np.float32) / 4
    xx, yy, xy = (
        cv2.filter2D(smooth, -1, kernel, borderType=cv2.BORDER_REFLECT)
        for kernel in (second, second.T, mixed)
    )
    mean, radius = (xx + yy) / 2, np.sqrt(((xx - yy) / 2) ** 2 + xy * xy)
    return scale**2 * (mean + radius), scale**2 * (mean - radius)


def _around(values: np.ndarray) -> np.ndarray:
    """Average over the window around each place."""
    height, width = values.shape
    rows, columns = height // STEP, width // STEP
    whole = values[: rows * STEP, : columns * STEP]
    return blurred(cv2.resize(whole, (columns, rows), interpolation=cv2.INTER_AREA), _WINDOW / STEP)
