"""Compare what is around generated guttae with real ones: threads between them, and how cells crowd.

python -m benchmarks.mosaic.gutta_surroundings checkpoints/labelled.safetensors
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy.ndimage import (
    binary_closing,
    distance_transform_edt,
    gaussian_filter,
    label,
    map_coordinates,
)
from scipy.spatial import cKDTree

from endotwin.generator.checkpoint import load_checkpoint
from endotwin.generator.sampler import Sampler
from endotwin.image_range import ImageRange
from endotwin.mosaic.parameters import Conditions, Range
from endotwin.mosaic.scene import Scene

PERCENTILES = (5, 25, 50, 75, 95)

REAL_THREADS = {
    "width": (5.75, 6.75, 7.75, 8.25, 9.75),
    "brightness": (1.13, 1.15, 1.20, 1.25, 1.39),
}
"""PERCENTILES of 31 threads between guttae in seven images of clinic, chosen by eye and measured by
`measure_thread` on 2026-11-29."""

REAL_CROWDING, REAL_CROWDING_ERROR = 0.961, 0.019
"""Mean over 18 guttae of seven images of clinic, and its standard error: `spacing_around` them on the
centres that readers counted, over the same around places of their shape elsewhere in the image, in which
the centres were left out."""

_ALONG, _ACROSS, _FINE = 2.0, 10.0, 0.25
"""Pixels along a thread over which its profile is the mean, and to either side; and the steps of both."""

_SNAP = 4
"""Pixels within which the brightest ridge is looked for."""

_NEAREST = 3
_GAP = 5
"""Side in pixels of the square that closes threads: wider ones are gaps between guttae."""

_SMALLEST = 120
"""Pixels of the smallest gutta around which crowding is measured."""


def measure_thread(image: np.ndarray, x: int, y: int) -> tuple[float, float]:
    """Measure a bright thread across its direction.

    Args:
        image: grey levels (H, W).
        x: of a pixel on it or near to it.
        y: the same, downwards.

    Returns:
        Full width in pixels at half of its height over the darkest places within 8 pixels to either side,
        and its brightness over the line between these.
    """
    levels = gaussian_filter(image.astype(np.float64), 0.5)
    bends = [gaussian_filter(levels, 1.6, order=order) for order in ((2, 0), (1, 1), (0, 2))]
    rows, columns = (slice(max(at - _SNAP, 0), at + _SNAP + 1) for at in (y, x))
    dd, da, aa = (bend[rows, columns] for bend in bends)
    bent = 0.5 * (dd + aa) - np.hypot(0.5 * (dd - aa), da)
    row, column = (int(at) for at in np.unravel_index(bent.argmin(), bent.shape))
    curvature = np.array([[dd[row, column], da[row, column]], [da[row, column], aa[row, column]]])
    down, across = np.linalg.eigh(curvature)[1][:, 0]
    row, column = row + rows.start, column + columns.start
    steps = np.arange(-_ACROSS, _ACROSS + _FINE, _FINE)
    along = np.arange(-_ALONG, _ALONG + 0.5, 0.5)[:, None]
    places = [row + down * steps - across * along, column + across * steps + down * along]
    profile = map_coordinates(levels, places, order=1, mode="nearest").mean(axis=0)
    middle, near, far = len(steps) // 2, round(2.0 / _FINE), round(8.0 / _FINE)
    peak = middle - near + int(profile[middle - near : middle + near + 1].argmax())
    first = peak - 1 - int(profile[max(peak - far, 0) : peak][::-1].argmin())
    last = peak + 1 + int(profile[peak + 1 : peak + 1 + far].argmin())
    base = np.interp(steps, steps[[first, last]], profile[[first, last]])
    low = profile - base <= 0.5 * (profile[peak] - base[peak])
    start = peak - int(low[peak::-1].argmax())
    end = peak + int(low[peak:].argmax())
    return float(steps[end] - steps[start]), float(profile[peak] / base[peak])


def spacing_around(centres: np.ndarray, away: np.ndarray, reach: float) -> float | None:
    """Return the mean distance to the nearest three others of the centres around a gutta.

    Args:
        centres: (N, 2), x and y in pixels, of the cells that are seen.
        away: (H, W), distance from the gutta, 0 in it.
        reach: most of it, in pixels.

    Returns:
        None for fewer than four centres around it.
    """
    distances = cKDTree(centres).query(centres, _NEAREST + 1)[0][:, 1:].mean(axis=1)
    at = away[tuple(centres[:, ::-1].astype(int).T)]
    near = (at > 0.0) & (at <= reach)
    return float(distances[near].mean()) if near.sum() >= 4 else None


def threads_of(sampler: Sampler, count: int, seed: int = 0) -> list[tuple[float, float]]:
    """Measure threads of images that have 25 to 40 % of guttae, three of each piece at random."""
    found, chance = [], np.random.default_rng(seed)
    for batch in sampler.batches(ImageRange(seed, 0, count), Conditions(guttae=Range(low=0.25, high=0.4))):
        for image, scene in zip(np.asarray(batch.images), batch.scenes, strict=True):
            closed = binary_closing(np.pad(scene.guttae, _GAP), np.ones((_GAP, _GAP)))
            pieces, number = label(closed[_GAP:-_GAP, _GAP:-_GAP] & ~scene.guttae)
            pieces[:12] = pieces[-12:] = pieces[:, :12] = pieces[:, -12:] = 0
            for piece in range(1, number + 1):
                rows, columns = np.nonzero(pieces == piece)
                if len(rows) >= 30:
                    for k in chance.choice(len(rows), 3, replace=False):
                        found.append(measure_thread(image, int(columns[k]), int(rows[k])))
    return found


def crowding_of(sampler: Sampler, count: int, seed: int = 0) -> list[float]:
    """Return the spacing around whole guttae over that of the same mosaic without guttae, of 3 to 12 %."""
    images = ImageRange(seed, 0, count)
    batches = [
        sampler.batches(images, Conditions(guttae=Range(low=low, high=high)))
        for low, high in ((0.03, 0.12), (0.0, 0.0))
    ]
    found: list[float] = []
    for crowded, plain in zip(*batches, strict=True):
        for one, other in zip(crowded.scenes, plain.scenes, strict=True):
            found += _crowding(one, other)
    return found


def _crowding(crowded: Scene, plain: Scene) -> Iterator[float]:
    pieces, number = label(crowded.guttae)
    edge = set(np.concatenate([pieces[0], pieces[-1], pieces[:, 0], pieces[:, -1]]).tolist())
    centres = [_seen(scene, crowded.guttae) for scene in (crowded, plain)]
    for piece in range(1, number + 1):
        if piece not in edge and (pieces == piece).sum() >= _SMALLEST:
            away = distance_transform_edt(pieces != piece)
            one, other = (spacing_around(these, away, crowded.spacing) for these in centres)
            if one is not None and other is not None:
                yield one / other


def _seen(scene: Scene, guttae: np.ndarray) -> np.ndarray:
    """Return the centres of the cells that are in the image and not beneath guttae."""
    found = scene.mosaic.tessellation
    inside = ((found.centroids > 0.0) & (found.centroids < guttae.shape[::-1])).all(axis=1)
    centres: np.ndarray = found.centroids[inside & (found.areas > 0.0)]
    return centres[~guttae[tuple(centres[:, ::-1].astype(int).T)]]


def main() -> None:
    """Print Markdown: percentiles of real and generated threads, and the crowding."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--n", type=int, default=160, help="images")
    arguments = parser.parse_args()
    sampler = Sampler(load_checkpoint(arguments.checkpoint))
    threads = np.array(threads_of(sampler, arguments.n))
    print(f"{len(threads)} places on generated threads; percentiles {PERCENTILES}\n")
    print("| | real | generated |\n|---|---|---|")
    for k, name in enumerate(REAL_THREADS):
        generated = np.percentile(threads[:, k], PERCENTILES)
        columns = (", ".join(f"{v:.3g}" for v in row) for row in (REAL_THREADS[name], generated))
        print(f"| {name} | {' | '.join(columns)} |")
    crowding = np.array(crowding_of(sampler, arguments.n))
    error = crowding.std() / np.sqrt(len(crowding))
    print(
        f"\nspacing around guttae: real {REAL_CROWDING} ± {REAL_CROWDING_ERROR}, "
        f"generated {crowding.mean():.3f} ± {error:.3f} ({len(crowding)} guttae)"
    )


if __name__ == "__main__":
    main()
