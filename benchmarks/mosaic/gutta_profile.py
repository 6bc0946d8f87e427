"""Compare generated guttae with real ones: how dark, how wide an edge, how uneven inside and in outline.

python -m benchmarks.mosaic.gutta_profile checkpoints/labelled.safetensors
"""

from __future__ import annotations

import argparse
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import numpy as np
from scipy.ndimage import distance_transform_edt, gaussian_filter, label, map_coordinates

from endotwin.generator.checkpoint import load_checkpoint
from endotwin.generator.sampler import Sampler
from endotwin.image_range import ImageRange
from endotwin.mosaic.parameters import Conditions, Range

PERCENTILES = (5, 25, 50, 75, 95)

REAL = {
    "area": (333, 552, 794, 1037, 1706),
    "inside": (0.433, 0.563, 0.635, 0.759, 0.898),
    "edge": (3.58, 4.65, 4.93, 5.55, 5.90),
    "mean_edge": (6.0, 7.5, 9.5, 11.6, 13.0),
    "unevenness": (0.019, 0.029, 0.040, 0.048, 0.060),
    "roughness": (0.113, 0.185, 0.221, 0.275, 0.362),
}
"""PERCENTILES of 30 real guttae, 24 of clinic and 6 of cwru, chosen by eye and measured by `measure_gutta`
on 2026-11-28. They are the single ones, or single lobes of confluent ones, whose edge can be followed."""

_RAYS = 48
_STEP = 0.5
_SMALLEST, _NARROWEST = 150, 6.0
"""Generated guttae of fewer pixels, or of a smaller inscribed radius, are left out, as are cut ones."""


@dataclass(frozen=True)
class GuttaMeasures:
    """What is measured of a gutta.

    Attributes:
        area: in pixels.
        inside: median grey level inside, over the one 4 to 12 pixels outside the edge.
        edge: pixels from 10 to 90 % of the rise, at the steepest place of a ray; the median over rays.
        mean_edge: the same of the median profile of all rays.
        unevenness: standard deviation inside about the best plane, over the grey level outside.
        roughness: standard deviation of the radius over its mean.
    """

    area: float
    inside: float
    edge: float
    mean_edge: float
    unevenness: float
    roughness: float


def measure_gutta(image: np.ndarray, x: float, y: float) -> GuttaMeasures | None:
    """Measure a gutta along rays from a point in it.

    Args:
        image: grey levels (H, W).
        x: of a point about in the middle of the gutta, in pixels.
        y: the same, downwards.

    Returns:
        None where fewer than half of the rays leave the gutta within the image.
    """
    levels = image.astype(np.float64)
    angles = 2.0 * np.pi * np.arange(_RAYS) / _RAYS
    radii = np.arange(0.0, 45.0, _STEP)
    across, down = x + np.cos(angles)[:, None] * radii, y + np.sin(angles)[:, None] * radii
    rays = map_coordinates(gaussian_filter(levels, 0.7), [down, across], order=1, cval=np.nan)
    inside = float(np.nanmedian(rays[:, :5]))
    outside = float(np.nanpercentile(rays[:, :60], 75))
    for _ in range(3):
        if outside <= inside:
            return None
        above = rays > 0.5 * (inside + outside)
        edges = np.where(above.any(axis=1), radii[above.argmax(axis=1)], np.nan)
        if np.isfinite(edges).sum() < _RAYS / 2:
            return None
        beyond = radii - edges[:, None]
        outside = float(np.nanmedian(rays[(beyond > 4.0) & (beyond < 12.0)]))
        within = rays[beyond < -3.0]
        inside = float(np.nanmedian(within)) if within.size > 10 else inside
    middle = float(np.nanmedian(edges))
    used = (edges > 0.4 * middle) & (edges < 1.8 * middle)
    if used.sum() < _RAYS / 2:
        return None
    edges, rays = edges[used], rays[used]

    offsets = np.arange(-8.0, 15.0, _STEP)
    aligned = np.array(
        [np.interp(e + offsets, radii, ray, left=np.nan) for e, ray in zip(edges, rays, strict=True)]
    )
    steepest = np.nanmax(np.diff(aligned[:, np.abs(offsets) < 6.0], axis=1), axis=1) / _STEP
    known = np.isfinite(aligned).any(axis=0)
    mean = np.full(len(offsets), -np.inf)
    mean[known] = np.nanmedian(aligned[:, known], axis=0)
    low, high = (offsets[np.argmax(mean > inside + s * (outside - inside))] for s in (0.1, 0.9))

    rows, columns = np.indices(levels.shape)
    direction = np.arctan2(rows - y, columns - x)
    radius = np.interp(direction, angles[used], edges, period=2.0 * np.pi)
    deep = np.hypot(columns - x, rows - y) < radius - 3.5
    plane = np.column_stack([np.ones(deep.sum()), columns[deep], rows[deep]])
    left = levels[deep] - plane @ np.linalg.lstsq(plane, levels[deep], rcond=None)[0]
    return GuttaMeasures(
        area=float(np.pi * (edges**2).mean()),
        inside=inside / outside,
        edge=float(0.8 * (outside - inside) / np.median(steepest)),
        mean_edge=float(high - low),
        unevenness=float(left.std() / outside) if left.size > 25 else float("nan"),
        roughness=float(edges.std() / edges.mean()),
    )


def measure_generated(sampler: Sampler, count: int, seed: int = 0) -> list[GuttaMeasures]:
    """Measure the guttae, but for those at the image's edge, of images that have 3 to 15 % of them."""
    found = []
    for batch in sampler.batches(ImageRange(seed, 0, count), Conditions(guttae=Range(low=0.03, high=0.15))):
        for image, scene in zip(np.asarray(batch.images), batch.scenes, strict=True):
            pieces, number = label(scene.guttae)
            for piece in range(1, number + 1):
                mask = pieces == piece
                depth = distance_transform_edt(mask)
                at_edge = mask[[0, -1]].any() or mask[:, [0, -1]].any()
                if not at_edge and mask.sum() >= _SMALLEST and depth.max() >= _NARROWEST:
                    row, column = np.unravel_index(depth.argmax(), depth.shape)
                    measured = measure_gutta(image, float(column), float(row))
                    found += [] if measured is None else [measured]
    return found


def main() -> None:
    """Print a Markdown table: percentiles of real and generated guttae."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--n", type=int, default=160, help="images")
    arguments = parser.parse_args()
    found = measure_generated(Sampler(load_checkpoint(arguments.checkpoint)), arguments.n)
    values = np.array([astuple(one) for one in found])
    print(f"{len(found)} generated guttae; percentiles {PERCENTILES}\n")
    print("| | real | generated |\n|---|---|---|")
    for k, one in enumerate(fields(GuttaMeasures)):
        generated = np.nanpercentile(values[:, k], PERCENTILES)
        columns = (", ".join(f"{v:.3g}" for v in row) for row in (REAL[one.name], generated))
        print(f"| {one.name} | {' | '.join(columns)} |")


if __name__ == "__main__":
    main()
