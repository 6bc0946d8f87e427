"""Spread every image to the same range and number of grey levels, so that neither gives its class away.

Real crops come from 8-bit files whose contrast a microscope or a program has stretched: they saturate at
255, and some levels never occur. A generator does neither in quite the same way. So every image, generated
or real, is spread to one range: its darkest and its lightest hundredth become the two ends, and what is
between is cut into equal steps. Noise fills the gaps of the 8-bit files first.

Experts can then no longer judge the brightness and the contrast of a whole image.
"""

from __future__ import annotations

import numpy as np

LEVELS = 64
"""Few enough that 128 × 128 pixels nearly always fill each by themselves."""

ENDS = 0.01
"""Share of the pixels that becomes black, and share that becomes white."""

_WIDEST = 8
"""A wider gap between levels is a feature of the image, not a trace of stretching, and is not filled."""


def spread_levels(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Spread an image to the common range, darker pixels before lighter ones.

    Args:
        image: uint8 grey levels (H, W), a few thousand pixels at least.
        rng: source of the noise that fills gaps between levels.

    Returns:
        uint8 grey levels (H, W): of every image `LEVELS` different ones from 0 to 255, in steps of about
        four, and the same number of pixels at either end.
    """
    values = _fill_gaps(image, rng)
    order = np.argsort(values, kind="stable")
    ends = round(ENDS * image.size)
    inner = values[order[ends:-ends]]
    steps = LEVELS - 2
    levels = 1 + np.floor((inner - inner[0]) * (steps / (inner[-1] - inner[0]))).clip(0, steps - 1)
    spread = np.empty(image.size)
    spread[order[:ends]] = 0
    spread[order[ends:-ends]] = _leave_none_out(levels)
    spread[order[-ends:]] = LEVELS - 1
    result: np.ndarray = np.round(spread * (255 / (LEVELS - 1))).astype(np.uint8).reshape(image.shape)
    return result


def _fill_gaps(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Move each pixel up by chance, by less than the distance to the next level that occurs."""
    present, which = np.unique(image.ravel(), return_inverse=True)
    gaps = np.diff(present.astype(np.float64), append=present[-1] + 1.0).clip(max=_WIDEST)
    moved: np.ndarray = present[which] + gaps[which] * rng.random(image.size)
    return moved


def _leave_none_out(levels: np.ndarray) -> np.ndarray:
    """Give each level that rising levels skip the pixel nearest to it in order."""
    places = np.arange(len(levels))
    rising = np.minimum.accumulate(levels - places) + places
    rising[-1] = levels[-1]
    filled: np.ndarray = np.maximum.accumulate((rising - places)[::-1])[::-1] + places
    return filled
