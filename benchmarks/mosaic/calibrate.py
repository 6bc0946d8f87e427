"""Measure what jitter and spread make of a mosaic, and write the table and surfaces for `calibration`.

Run it after a change of `endotwin.mosaic.drawing`: `python -m benchmarks.mosaic.calibrate` (minutes).
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from scipy.interpolate import RectBivariateSpline
from tqdm import tqdm

from endotwin.files import whole_file
from endotwin.generator.latents import draw_normals
from endotwin.image_range import IMAGE_SIZE, ImageRange
from endotwin.mosaic.calibration import TABLE_PATH
from endotwin.mosaic.drawing import (
    GRID,
    LATTICE_NUMBERS,
    SITE_NUMBERS,
    MosaicShape,
    draw_mosaic,
)
from endotwin.mosaic.morphometry import measure_mosaics

JITTERS = (0.03, 0.045, 0.06, 0.09, 0.12, 0.15, 0.18, 0.21, 0.25, 0.30, 0.35, 0.40, 0.45, 0.50)
SPREADS = (0.04, 0.10, 0.20, 0.30, 0.40, 0.50, 0.60, 0.70, 0.80, 0.85)
CELL_AREA = 400.0
MOSAICS = 240
_SEED = 1

_CV_NOISE, _ANGLE_NOISE, _AREA_NOISE = 0.013, 0.007, 0.0036
"""Standard errors of a point of the table: of the logarithm of the cv, of the arcsine of the root of the
hexagonality, and of the area. On these scales they are the same at every point."""


def measure_point(shape: MosaicShape, point: int) -> tuple[float, float, float]:
    """Return CV of the area, share of hexagons, and mean cell area over the wanted one, of many mosaics.

    Every point has numbers of its own, so that a smooth surface through the points averages chance out.
    """
    draws = draw_normals(
        ImageRange(_SEED, point * MOSAICS, MOSAICS), LATTICE_NUMBERS + GRID * GRID * SITE_NUMBERS
    )
    lattice, sites = np.split(draws, [LATTICE_NUMBERS], axis=1)
    mosaics = [
        draw_mosaic(lattice[k], sites[k].reshape(GRID * GRID, SITE_NUMBERS), shape) for k in range(MOSAICS)
    ]
    pooled = measure_mosaics(mosaics)
    mean_area = MOSAICS * IMAGE_SIZE**2 / pooled.count
    return pooled.cv, pooled.hexagonality, mean_area / shape.cell_area


def fit_surfaces(table: dict[str, Any]) -> dict[str, Any]:
    """Fit bicubic splines to the table: knots and coefficients, by the name of what they give."""
    scales = {
        "log_cv": (np.log(table["cv"]), _CV_NOISE),
        "hexagonality_angle": (np.arcsin(np.sqrt(table["hexagonality"])), _ANGLE_NOISE),
        "area": (np.array(table["area"]), _AREA_NOISE),
    }
    surfaces = {}
    for name, (values, noise) in scales.items():
        spline = RectBivariateSpline(table["jitters"], table["spreads"], values, s=values.size * noise**2)
        *knots, coefficients = spline.tck
        shape = [len(each) - 4 for each in knots]
        surfaces[name] = {
            "knots": [each.tolist() for each in knots],
            "coefficients": coefficients.reshape(shape).tolist(),
        }
    return surfaces


def main() -> None:
    """Measure every combination and write the table."""
    points = [(jitter, spread) for jitter in JITTERS for spread in SPREADS]
    measured = [
        measure_point(MosaicShape(CELL_AREA, *point), k)
        for k, point in enumerate(tqdm(points, unit="point"))
    ]
    values = np.array(measured).reshape(len(JITTERS), len(SPREADS), 3).round(4)
    table = {
        "jitters": JITTERS,
        "spreads": SPREADS,
        "cv": values[..., 0].tolist(),
        "hexagonality": values[..., 1].tolist(),
        "area": values[..., 2].tolist(),
        "mosaics": MOSAICS,
        "seed": _SEED,
    }
    with whole_file(TABLE_PATH) as file:
        file.write(json.dumps({**table, "surfaces": fit_surfaces(table)}).encode() + b"\n")


if __name__ == "__main__":
    main()
