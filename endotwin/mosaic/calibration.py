"""Find the jitter and spread that give a mosaic a coefficient of variation and a hexagonality.

The table was measured on mosaics (`benchmarks.mosaic.calibrate`); smooth surfaces are fitted to it, so that
the noise of its points averages out. The coefficient of variation grows with the spread, so for every
jitter one spread gives it; along these pairs the hexagonality falls with the jitter.
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
_CV_NOISE, _ANGLE_NOISE, _AREA_NOISE = 0.013, 0.007, 0.0036
"""Standard errors of a point of the table: of the logarithm of the cv, of the arcsine of the root of the
hexagonality, and of the area. On these scales they are the same at every point."""

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
    """The measured table, smoothed, on a fine grid: arrays (jitters, spreads)."""

    def __init__(self) -> None:
        from scipy.interpolate import RectBivariateSpline  # noqa: PLC0415

        raw = json.loads(TABLE_PATH.read_text())
        axes = np.array(raw["jitters"]), np.array(raw["spreads"])
        self.jitters = np.linspace(axes[0][0], axes[0][-1], _FINE_JITTERS)
        self.spreads = np.linspace(axes[1][0], axes[1][-1], _FINE_SPREADS)

        def smooth(values: np.ndarray, noise: float) -> np.ndarray:
            surface = RectBivariateSpline(*axes, values, s=values.size * noise**2)
            fine: np.ndarray = surface(self.jitters, self.spreads)
            return fine

        self.cv = np.maximum.accumulate(np.exp(smooth(np.log(raw["cv"]), _CV_NOISE)), axis=1)
        angle = smooth(np.arcsin(np.sqrt(raw["hexagonality"])), _ANGLE_NOISE)
        self.hexagonality = np.sin(angle.clip(0.0, 0.5 * math.pi)) ** 2
        self.area = smooth(np.array(raw["area"]), _AREA_NOISE)


@functools.cache
def _table() -> _Table:
    return _Table()
