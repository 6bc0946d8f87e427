"""Find the jitter and spread that give a mosaic a coefficient of variation and a hexagonality.

The table was measured on mosaics (`benchmarks.mosaic.calibrate`), and smooth surfaces were fitted to it, so
that the noise of its points averages out; the file holds both. The coefficient of variation grows with the
spread, so for every jitter one spread gives it; along these pairs the hexagonality falls with the jitter.
"""

from __future__ import annotations

import functools
import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from endotwin.mosaic.drawing import MosaicShape

TABLE_PATH = Path(__file__).with_name("calibration.json")

_FINE_JITTERS, _FINE_SPREADS = 251, 201
_TOLERANCE = 0.005
"""Hexagonality so far beyond what is reachable is replaced by the nearest that is reachable."""


class UnreachableError(ValueError):
    """No mosaic has these parameters; the message says what is possible."""


def shape_for(cell_area: float, cv: float, hexagonality: float) -> MosaicShape:
    """Return what to draw a mosaic with.

    Args:
        cell_area: mean area of a cell in square pixels.
        cv: coefficient of variation of the areas.
        hexagonality: share of cells with six sides.

    Raises:
        UnreachableError: no mosaic has both; the message says which hexagonality goes with this cv.
    """
    shapes = _shapes_with(cv)
    least, greatest = float(shapes.hexagonality[-1]), float(shapes.hexagonality[0])
    if not least - _TOLERANCE <= hexagonality <= greatest + _TOLERANCE:
        low, high = reachable_hexagonality(cv)
        raise UnreachableError(
            f"no mosaic has cv {cv:g} and hexagonality {hexagonality:g} together: with cv {cv:g} the "
            f"hexagonality can be from {low:.2f} to {high:.2f}"
        )
    jitter, spread, area = (
        float(np.interp(-hexagonality, -shapes.hexagonality, values))
        for values in (shapes.jitter, shapes.spread, shapes.area)
    )
    return MosaicShape(cell_area / area, jitter, spread)


@functools.lru_cache(maxsize=256)
def reachable_hexagonality(cv: float) -> tuple[float, float]:
    """Return the least and greatest hexagonality that mosaics of a coefficient of variation can have.

    Raises:
        UnreachableError: no mosaic has this coefficient of variation.
    """
    reachable = _shapes_with(cv).hexagonality
    # Rounded inwards, so that the values named in a message are reachable.
    return math.ceil(float(reachable[-1]) * 100) / 100, math.floor(float(reachable[0]) * 100) / 100


@dataclass(frozen=True)
class _Shapes:
    """Shapes of one coefficient of variation, in order of rising jitter and so of falling hexagonality."""

    jitter: np.ndarray
    spread: np.ndarray
    hexagonality: np.ndarray
    area: np.ndarray


@functools.lru_cache(maxsize=256)
def _shapes_with(cv: float) -> _Shapes:
    table = _table()
    rows = np.flatnonzero((table.cv[:, 0] <= cv) & (cv < table.cv[:, -1]))
    if len(rows) == 0:
        raise UnreachableError(
            f"no mosaic has cv {cv:g}: it can be from {table.cv.min():.2f} to {table.cv.max():.2f}"
        )
    left = (table.cv > cv).argmax(axis=1)[rows] - 1
    low, high = table.cv[rows, left], table.cv[rows, left + 1]
    share = (cv - low) / (high - low)

    def between(values: np.ndarray) -> np.ndarray:
        mixed: np.ndarray = (1.0 - share) * values[rows, left] + share * values[rows, left + 1]
        return mixed

    return _Shapes(
        jitter=table.jitters[rows],
        spread=(1.0 - share) * table.spreads[left] + share * table.spreads[left + 1],
        hexagonality=np.minimum.accumulate(between(table.hexagonality)),
        area=between(table.area),
    )


class _Table:
    """The surfaces on a fine grid: arrays (jitters, spreads)."""

    def __init__(self) -> None:
        raw = json.loads(TABLE_PATH.read_text())
        self.jitters = np.linspace(raw["jitters"][0], raw["jitters"][-1], _FINE_JITTERS)
        self.spreads = np.linspace(raw["spreads"][0], raw["spreads"][-1], _FINE_SPREADS)

        def smooth(name: str) -> np.ndarray:
            surface = raw["surfaces"][name]
            jitter_knots, spread_knots = map(np.array, surface["knots"])
            coefficients = np.array(surface["coefficients"])
            return evaluate_spline(jitter_knots, spread_knots, coefficients, self.jitters, self.spreads)

        self.cv = np.maximum.accumulate(np.exp(smooth("log_cv")), axis=1)
        self.hexagonality = np.sin(smooth("hexagonality_angle").clip(0.0, 0.5 * math.pi)) ** 2
        self.area = smooth("area")


def evaluate_spline(
    knots_x: np.ndarray, knots_y: np.ndarray, coefficients: np.ndarray, x: np.ndarray, y: np.ndarray
) -> np.ndarray:
    """Evaluate a bicubic spline on a grid.

    It is done in the order of FITPACK's `bispev` (Dierckx, "Curve and surface fitting with splines", 1993),
    so that the same bits come out as from scipy, which takes longer to import than this does.

    Args:
        knots_x: of the first axis, float64 (rows + 4,).
        knots_y: of the second axis, float64 (columns + 4,).
        coefficients: float64 (rows, columns).
        x: where on the first axis, float64 (N,), within the knots.
        y: where on the second axis, float64 (M,), within the knots.

    Returns:
        float64 (N, M).
    """
    first_x, weights_x = _basis(knots_x, x)
    first_y, weights_y = _basis(knots_y, y)
    total = np.zeros((len(x), len(y)))
    for i in range(4):
        for j in range(4):
            total += coefficients[np.ix_(first_x + i, first_y + j)] * weights_x[i][:, None] * weights_y[j]
    return total


def _basis(knots: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return the first of the four cubic B-splines that are not 0 at x, int64 (N,), and their values."""
    last = len(knots) - 5
    interval = (np.searchsorted(knots, x, side="right") - 1).clip(3, last)
    values = [np.ones_like(x)]
    for degree in range(1, 4):
        lower, values = values, [np.zeros_like(x) for _ in range(degree + 1)]
        for i in range(degree):
            right, left = knots[interval + i + 1], knots[interval + i + 1 - degree]
            share = lower[i] / (right - left)
            values[i] += share * (right - x)
            values[i + 1] = share * (x - left)
    return interval - 3, values


@functools.cache
def _table() -> _Table:
    return _Table()
