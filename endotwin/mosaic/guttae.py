"""Guttae: dark spots of one to many cells, where excrescences lift the endothelium out of focus.

Sizes, darkness and edges follow 30 guttae of real images; docs/mosaic.md has the numbers.
"""

from __future__ import annotations

import functools
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
_FOLLOWING = 0.5
"""How uneven outlines are, and how far they follow the borders of cells, 0 to 1."""

_ROUNDING = 2.0
"""Standard deviation in pixels of the blur that rounds the corners of outlines."""

_DEPTH_SD, _DEPTH_REACH = 0.25, 0.4
_TILT_SD = 0.1
_UNEVENNESS = 0.4
"""Of the depth, in the usual depth of the image: between spots, across one, and of the grid within them."""

_SHARP, _BLURRED = 2.4, 3.7
"""Standard deviations in pixels of the sharpest and of the softest edge."""

_GLINTS = 0.35
_REFLEXES = 0.3
"""Share of the spots that have a glint, and of glints that are a round reflex; others follow the edge."""


@dataclass(frozen=True)
class GuttaeLook:
    """How guttae look, pixel by pixel, also around them.

    Attributes:
        depths: float32 (H, W), darkness of the gutta at a pixel in the usual one of its image, about 1.
        softness: float32 (H, W), 0 where the edge is sharpest, 1 where it is softest.
        glints: float32 (H, W), by what share bright reflexes and rims raise the brightness.
    """

    depths: np.ndarray
    softness: np.ndarray
    glints: np.ndarray


@dataclass(frozen=True)
class Guttae:
    """The guttae of an image.

    Attributes:
        covered: bool (H, W).
        look: how they look.
    """

    covered: np.ndarray
    look: GuttaeLook


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


def draw_guttae(numbers: np.ndarray, share: float, owner: np.ndarray) -> Guttae:
    """Draw guttae that cover a share of the image, to within one pixel.

    Ellipses with an uneven outline are added until they are large enough together; then all grow or shrink
    until they cover the share, so that many become confluent. The outline follows, in part, the borders of
    the cells around, as cells lie around real guttae.

    Args:
        numbers: (gutta_numbers(size),) standard normal, of the size of the image.
        share: 0 to 1.
        owner: int64 (H, W), the cell of each pixel.
    """
    height, width = owner.shape
    size = FieldSize(width, height)
    wanted = round(share * size.pixels)
    if wanted == 0:
        return no_guttae(size)
    from endotwin.mosaic.gutta_kernels import blur, follow_cells, raise_spots  # noqa: PLC0415

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
    heights, highest = raise_spots(ellipses, reaches, outline.reshape(grid), _ROUGHNESS, height, width)
    follow_cells(heights, owner, _FOLLOWING)
    covered, level = _cover_highest(blur(heights.astype(np.float32), _taps(_ROUNDING)), wanted)
    ellipses[:, 2:] /= max(1.0 - level, 0.1)
    look = _draw_look(spots, ellipses, highest, inside.reshape(grid))
    return Guttae(covered, look)


def soften(guttae: np.ndarray, look: GuttaeLook | None = None) -> np.ndarray:
    """Blur a mask of guttae, or any map of them, as soft as their edges: float32 (H, W).

    Args:
        guttae: (H, W).
        look: tells how soft the edges are; None for the softest everywhere.
    """
    if not guttae.any():
        return np.zeros(guttae.shape, dtype=np.float32)
    from endotwin.mosaic.gutta_kernels import blur  # noqa: PLC0415

    values = guttae.astype(np.float32)
    soft: np.ndarray = blur(values, _taps(_BLURRED))
    if look is not None:
        sharp = blur(values, _taps(_SHARP))
        soft = sharp + look.softness * (soft - sharp)
    return soft


@functools.lru_cache(maxsize=1)
def no_guttae(size: FieldSize = STANDARD) -> Guttae:
    """Return the guttae of an image without any."""
    nothing = np.zeros(size.shape, dtype=np.float32)
    look = GuttaeLook(np.ones_like(nothing), nothing, nothing)
    return Guttae(nothing > 0.0, look)


def _ellipse(spot: np.ndarray, radius: float, size: FieldSize) -> tuple[float, float, float, float, float]:
    """Return the centre of a spot and the coefficients of its quadratic form."""
    x, y = (
        (side + 2.0 * _MARGIN) * to_uniform(z) - _MARGIN
        for side, z in zip((size.width, size.height), spot[:2], strict=True)
    )
    stretch = math.exp(min(max(_STRETCH_SD * spot[3], -_LARGEST_STRETCH), _LARGEST_STRETCH))
    return (x, y, *_form(radius * stretch, radius / stretch, math.pi * to_uniform(spot[4])))


def _form(along: float, across: float, angle: float) -> tuple[float, float, float]:
    """Return the coefficients of xx, xy and yy of the form that is 1 on an ellipse with these half axes."""
    cos, sin = math.cos(angle), math.sin(angle)
    a, b = 1.0 / (along * along), 1.0 / (across * across)
    return a * cos * cos + b * sin * sin, 2.0 * (a - b) * cos * sin, a * sin * sin + b * cos * cos


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


def _cover_highest(heights: np.ndarray, wanted: int) -> tuple[np.ndarray, float]:
    """Return the highest pixels, exactly so many, of equals the last; and the height of the lowest."""
    flat = heights.ravel()
    level = float(np.partition(flat, len(flat) - wanted)[len(flat) - wanted])
    covered = flat > level
    ties = np.flatnonzero(flat == level)
    covered[ties[len(ties) - (wanted - int(covered.sum())) :]] = True
    return covered.reshape(heights.shape), level


def _draw_look(
    spots: np.ndarray, ellipses: np.ndarray, highest: np.ndarray, inside: np.ndarray
) -> GuttaeLook:
    from endotwin.mosaic.gutta_kernels import add_glints, spread_grid  # noqa: PLC0415

    height, width = highest.shape
    across, down = np.arange(width) + 0.5, np.arange(height) + 0.5
    steep = np.sqrt(ellipses[:, 2] + ellipses[:, 4])[:, None] * spots[:, 7:9] * _TILT_SD
    start = (
        1.0
        + np.clip(_DEPTH_SD * spots[:, 5], -_DEPTH_REACH, _DEPTH_REACH)
        - (steep * ellipses[:, :2]).sum(axis=1)
    )
    depths = start[highest] + steep[highest, 0] * across + steep[highest, 1] * down[:, None]
    depths += _UNEVENNESS * spread_grid(inside, height, width)
    softness = np.array([to_uniform(z) for z in spots[:, 6]])[highest]
    glints = np.zeros(highest.shape, dtype=np.float32)
    add_glints(glints, _place_glints(spots, ellipses))
    return GuttaeLook(np.clip(depths, 0.5, 1.7).astype(np.float32), softness.astype(np.float32), glints)


def _place_glints(spots: np.ndarray, ellipses: np.ndarray) -> np.ndarray:
    """Return the glints, (M, 7), as `add_glints` takes them: at the edge of some spots."""
    glints = []
    for spot, ellipse in zip(spots, ellipses, strict=True):
        chance, direction, strength = (to_uniform(z) for z in spot[9:12])
        if chance < _GLINTS:
            angle = 2.0 * math.pi * direction
            cos, sin = math.cos(angle), math.sin(angle)
            radius = 1.0 / math.sqrt((ellipse[2] * cos + ellipse[3] * sin) * cos + ellipse[4] * sin * sin)
            if chance < _GLINTS * _REFLEXES:
                along, across, out, bright = (
                    3.5 + 2.0 * strength,
                    2.5 + 2.0 * strength,
                    1.0,
                    0.1 + 0.2 * strength,
                )
            else:
                along, across, out, bright = 0.8 * radius, 4.0, 4.0, 0.06 + 0.2 * strength
            x, y = ellipse[0] + (radius + out) * cos, ellipse[1] + (radius + out) * sin
            form = _form(along, across, angle + 0.5 * math.pi)
            glints.append((x, y, *form, max(along, across), bright))
    return np.array(glints).reshape(-1, 7)


@functools.cache
def _taps(deviation: float) -> np.ndarray:
    """Return the weights of a Gaussian from its middle outwards; those of both sides add up to 1."""
    away = [math.exp(-0.5 * (k / deviation) ** 2) for k in range(math.ceil(3.5 * deviation) + 1)]
    return np.array([weight / (2.0 * math.fsum(away) - away[0]) for weight in away], dtype=np.float32)
