"""Where guttae are: ellipses with an uneven outline, threads between confluent ones, and the cells around.

The spots follow from the numbers of an image and the share that they are to cover, so they are known before
the mosaic is drawn, whose cells they push aside.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from endotwin.field_size import STANDARD, FieldSize
from endotwin.generator.latents import to_uniform
from endotwin.image_range import IMAGE_SIZE

_SPOTS = 24
_SPOT_NUMBERS = 12
_GRID_STEPS = 12
"""Of an image of 128 × 128: the most spots, and the steps of the grid of the outline along a side."""

_LOOK_OF_SPOT = slice(5, None)
"""Of the numbers of a spot, those of its depth, edge, tilt and glint: the others shape it."""

_MEDIAN_RADIUS, _RADIUS_LOG_SD = 17.0, 0.35
_LEAST_RADIUS, _LARGEST_RADIUS = 6.0, 32.0
_STRETCH_SD, _LARGEST_STRETCH = 0.12, 0.3
_MARGIN = 8.0
_OVERLAP = 1.1
"""Spots are added until their areas within the image are so many times what is to be covered."""

_FAR = 3.0
"""In a larger field, spots matter up to so many radii from their centre."""

_ROUGHNESS = 0.4
"""How uneven outlines are."""

_THREAD, _THREAD_UNEVENNESS = 2.0, 2.0
"""Width in pixels of the threads that part confluent guttae, and what the outline's unevenness adds to it:
where that makes it less than nothing, guttae have grown together."""

_AROUND = 1.0
"""Width of the ring around a gutta in which cells crowd, in spacings of the mosaic."""


@dataclass(frozen=True)
class Spots:
    """The spots of an image that has guttae.

    Attributes:
        numbers: float64 (N, 12), standard normal, of each spot.
        ellipses: float64 (N, 5), centre x and y in pixels, and the coefficients of xx, xy and yy of the
            quadratic form that is 1 on the ellipse that a spot starts as.
        inside: float64, grid of standard normal numbers that make their darkness uneven.
        heights: float64 (H, W), how high the spots are: above some level are the guttae.
        highest: int64 (H, W), the spot that is the highest.
        threads: bool (H, W), what parts two spots; never covered.
        wanted: how many pixels they are to cover.
    """

    numbers: np.ndarray
    ellipses: np.ndarray
    inside: np.ndarray
    heights: np.ndarray
    highest: np.ndarray
    threads: np.ndarray
    wanted: int

    def grown(self, level: float) -> np.ndarray:
        """Return the ellipses as large as they are at a level of their heights."""
        ellipses = self.ellipses.copy()
        ellipses[:, 2:] /= max(1.0 - level, 0.1)
        return ellipses

    def lie_around(self, positions: np.ndarray, spacing: float) -> np.ndarray:
        """Return which cells crowd around guttae: float64 (N,), 1, and -1 for those beneath, else 0.

        Guttae are mirrored at the edges of the image, so that cells are alike on both sides of them.

        Args:
            positions: float64 (N, 2), x and y in pixels.
            spacing: of the cells, in pixels.
        """
        from endotwin.mosaic.gutta_kernels import lie_around  # noqa: PLC0415

        level = level_of(np.where(self.threads, -np.inf, self.heights), self.wanted)
        height, width = self.heights.shape
        ellipses = _mirror(_mirror(self.grown(level), 0, width), 1, height)
        near = (positions.min(axis=0) < ellipses[:, :2]) & (ellipses[:, :2] < positions.max(axis=0))
        return lie_around(positions, ellipses[near.all(axis=1)], _AROUND * spacing)


def _spots(size: FieldSize) -> int:
    """Return the most spots that an image has: as many per area in every size."""
    return math.ceil(_SPOTS * size.pixels / IMAGE_SIZE**2)


def _grid_shape(size: FieldSize) -> tuple[int, int]:
    """Return the numbers of the grid of the outline: its steps are as long in every size."""
    rows, columns = (math.ceil(_GRID_STEPS * side / IMAGE_SIZE) + 3 for side in size.shape)
    return rows, columns


def gutta_numbers(size: FieldSize) -> int:
    """Return how many standard normal numbers the guttae of an image take.

    Of each spot position (2), radius, stretch, angle, depth, edge, tilt (2) and glint (3); then the outline
    and the inside of all.
    """
    return _spots(size) * _SPOT_NUMBERS + 2 * math.prod(_grid_shape(size))


GUTTAE_NUMBERS = gutta_numbers(STANDARD)
"""Of an image of 128 × 128."""


def numbers_of_look(size: FieldSize) -> np.ndarray:
    """Return which numbers decide how guttae look, not where they are: bool (gutta_numbers(size),)."""
    of_spots = np.zeros((_spots(size), _SPOT_NUMBERS), dtype=bool)
    of_spots[:, _LOOK_OF_SPOT] = True
    of_grid = math.prod(_grid_shape(size))
    outline, inside = np.zeros(of_grid, dtype=bool), np.ones(of_grid, dtype=bool)
    return np.concatenate([of_spots.ravel(), outline, inside])


def place_spots(numbers: np.ndarray, share: float, size: FieldSize) -> Spots | None:
    """Place the spots that are to cover a share of the image; None for no share.

    Ellipses with an uneven outline are added until they are large enough together. Where two meet, a thread
    of what lies between them is left, uneven in width and broken, or they grow together.

    Args:
        numbers: (gutta_numbers(size),) standard normal.
        share: 0 to 1.
        size: of the image.
    """
    wanted = round(share * size.pixels)
    if wanted == 0:
        return None
    from endotwin.mosaic.gutta_kernels import raise_spots  # noqa: PLC0415

    of_spots, grid = _spots(size) * _SPOT_NUMBERS, _grid_shape(size)
    per_spot, outline, inside = np.split(numbers.astype(np.float64), [of_spots, of_spots + math.prod(grid)])
    spots = per_spot.reshape(-1, _SPOT_NUMBERS)
    radii = [
        min(max(_MEDIAN_RADIUS * math.exp(_RADIUS_LOG_SD * z), _LEAST_RADIUS), _LARGEST_RADIUS)
        for z in spots[:, 2]
    ]
    ellipses = np.array([_ellipse(spot, radius, size) for spot, radius in zip(spots, radii, strict=True)])
    count = _count_spots(ellipses, radii, _OVERLAP * wanted, size)
    spots, ellipses = spots[:count], ellipses[:count]
    reaches = np.array(radii[:count]) * (math.inf if size == STANDARD else _FAR)
    raised = raise_spots(
        ellipses, reaches, outline.reshape(grid), _ROUGHNESS, _THREAD, _THREAD_UNEVENNESS, *size.shape
    )
    return Spots(spots, ellipses, inside.reshape(grid), *raised, wanted)


def level_of(heights: np.ndarray, wanted: int) -> float:
    """Return the height that so many pixels have or exceed, and no more."""
    flat = heights.ravel()
    return float(np.partition(flat, len(flat) - wanted)[len(flat) - wanted])


def _mirror(ellipses: np.ndarray, axis: int, side: int) -> np.ndarray:
    """Return ellipses and their images in two mirrors, at 0 and at `side` of an axis."""
    images = []
    for mirror in (0.0, float(side)):
        image = ellipses.copy()
        image[:, axis] = 2.0 * mirror - image[:, axis]
        image[:, 3] = -image[:, 3]
        images.append(image)
    return np.concatenate([ellipses, *images])


def ellipse_form(along: float, across: float, angle: float) -> tuple[float, float, float]:
    """Return the coefficients of xx, xy and yy of the form that is 1 on an ellipse with these half axes."""
    cos, sin = math.cos(angle), math.sin(angle)
    a, b = 1.0 / (along * along), 1.0 / (across * across)
    return a * cos * cos + b * sin * sin, 2.0 * (a - b) * cos * sin, a * sin * sin + b * cos * cos


def _ellipse(spot: np.ndarray, radius: float, size: FieldSize) -> tuple[float, float, float, float, float]:
    """Return the centre of a spot and the coefficients of its quadratic form."""
    x, y = (
        (side + 2.0 * _MARGIN) * to_uniform(z) - _MARGIN
        for side, z in zip((size.width, size.height), spot[:2], strict=True)
    )
    stretch = math.exp(min(max(_STRETCH_SD * spot[3], -_LARGEST_STRETCH), _LARGEST_STRETCH))
    return (x, y, *ellipse_form(radius * stretch, radius / stretch, math.pi * to_uniform(spot[4])))


def _count_spots(ellipses: np.ndarray, radii: list[float], wanted: float, size: FieldSize) -> int:
    """Return how many of the first spots have an area so large together, as far as it is in the image."""
    area = 0.0
    for n, radius in enumerate(radii):
        x, y = ellipses[n, :2]
        wide = min(x + radius, size.width) - max(x - radius, 0.0)
        high = min(y + radius, size.height) - max(y - radius, 0.0)
        area += math.pi / 4.0 * wide * high
        if area >= wanted:
            return n + 1
    return len(radii)
