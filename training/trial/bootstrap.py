"""How far a mean over test images can be trusted: the bootstrap over images, alone and for differences."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from pydantic import BaseModel, ConfigDict

from training.random_streams import Purpose, stream

RESAMPLES = 2000
"""Sets of images drawn with replacement."""

LEVEL = 0.95
"""Of the intervals: their ends are percentiles of what the resampled sets give."""

Statistic = Callable[[np.ndarray], np.ndarray]
"""Of values (…, images), over the last axis."""


class Estimate(BaseModel):
    """A number over the images of a set.

    Attributes:
        value: of these images.
        low: end of the 95 % interval over images; None for a single image.
        high: the other end.
        images: how many have a value.
    """

    model_config = ConfigDict(frozen=True)

    value: float
    low: float | None
    high: float | None
    images: int


def mean_of(values: np.ndarray) -> np.ndarray:
    """Return the mean over the last axis."""
    return np.asarray(values.mean(axis=-1))


def median_of(values: np.ndarray) -> np.ndarray:
    """Return the median over the last axis."""
    return np.asarray(np.median(values, axis=-1))


def estimate(values: np.ndarray, statistic: Statistic) -> Estimate | None:
    """Return a statistic of the images' values and its interval.

    Args:
        values: float (images,); those that are not a number are left out.
        statistic: of the values.

    Returns:
        None without a value.
    """
    return difference(values, np.zeros_like(values), statistic)


def difference(one: np.ndarray, other: np.ndarray, statistic: Statistic) -> Estimate | None:
    """Return a statistic of one arm minus that of another on the same images, and its interval.

    Each resampled set holds the same images for both arms, so what makes an image easy or hard for both
    does not widen the interval.

    Args:
        one: float (images,).
        other: of the same images; where either is not a number, the image is left out.
        statistic: of the values of an arm.

    Returns:
        None without an image.
    """
    known = ~(np.isnan(one) | np.isnan(other))
    one, other = one[known], other[known]
    count = len(one)
    if not count:
        return None
    value = float(statistic(one) - statistic(other))
    if count == 1:
        return Estimate(value=value, low=None, high=None, images=1)
    drawn = stream(0, Purpose.TRIAL_BOOTSTRAP).integers(count, size=(RESAMPLES, count))
    low, high = np.quantile(
        statistic(one[drawn]) - statistic(other[drawn]), ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
    )
    return Estimate(value=value, low=float(low), high=float(high), images=count)
