"""Guttae: dark spots of one to many cells, where excrescences lift the endothelium out of focus.

`endotwin.mosaic.gutta_spots` places them; here they are drawn on a mosaic. Sizes, darkness and edges follow
30 guttae of real images; docs/mosaic.md has the numbers.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np

from endotwin.field_size import STANDARD, FieldSize
from endotwin.generator.latents import to_uniform
from endotwin.mosaic.gutta_spots import Spots, ellipse_form, level_of

_FOLLOWING = 0.5
"""How far outlines follow the borders of cells, 0 to 1."""

_ROUNDING = 2.0
"""Standard deviation in pixels of the blur that rounds the corners of outlines."""

_DEPTH_SD, _DEPTH_REACH = 0.25, 0.4
_TILT_SD = 0.1
_UNEVENNESS = 0.4
"""Of the depth, in the usual depth of the image: between spots, across one, and of the grid within them."""

_SHARP, _BLURRED = 2.6, 3.4
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


def draw_guttae(spots: Spots | None, owner: np.ndarray) -> Guttae:
    """Draw guttae that cover the share of the image that they were placed for, to within one pixel.

    All grow or shrink until they cover the share. The outline follows, in part, the borders of the cells
    around, as cells lie around real guttae.

    Args:
        spots: where they are; None for no guttae.
        owner: int64 (H, W), the cell of each pixel.
    """
    if spots is None:
        height, width = owner.shape
        return no_guttae(FieldSize(width, height))
    from endotwin.mosaic.gutta_kernels import blur, follow_cells  # noqa: PLC0415

    heights = spots.heights.copy()
    follow_cells(heights, owner, _FOLLOWING)
    rounded = blur(heights.astype(np.float32), _taps(_ROUNDING))
    rounded[spots.threads] = -np.inf
    covered, level = _cover_highest(rounded, spots.wanted)
    return Guttae(covered, _draw_look(spots, spots.grown(level)))


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


def _cover_highest(heights: np.ndarray, wanted: int) -> tuple[np.ndarray, float]:
    """Return the highest pixels, exactly so many, of equals the last; and the height of the lowest."""
    flat, level = heights.ravel(), level_of(heights, wanted)
    covered = flat > level
    ties = np.flatnonzero(flat == level)
    covered[ties[len(ties) - (wanted - int(covered.sum())) :]] = True
    return covered.reshape(heights.shape), level


def _draw_look(spots: Spots, ellipses: np.ndarray) -> GuttaeLook:
    from endotwin.mosaic.gutta_kernels import add_glints, spread_grid  # noqa: PLC0415

    numbers, highest = spots.numbers, spots.highest
    height, width = highest.shape
    across, down = np.arange(width) + 0.5, np.arange(height) + 0.5
    steep = np.sqrt(ellipses[:, 2] + ellipses[:, 4])[:, None] * numbers[:, 7:9] * _TILT_SD
    start = (
        1.0
        + np.clip(_DEPTH_SD * numbers[:, 5], -_DEPTH_REACH, _DEPTH_REACH)
        - (steep * ellipses[:, :2]).sum(axis=1)
    )
    depths = start[highest] + steep[highest, 0] * across + steep[highest, 1] * down[:, None]
    depths += _UNEVENNESS * spread_grid(spots.inside, height, width)
    softness = np.array([to_uniform(z) for z in numbers[:, 6]])[highest]
    glints = np.zeros(highest.shape, dtype=np.float32)
    add_glints(glints, _place_glints(numbers, ellipses))
    return GuttaeLook(np.clip(depths, 0.5, 1.7).astype(np.float32), softness.astype(np.float32), glints)


def _place_glints(numbers: np.ndarray, ellipses: np.ndarray) -> np.ndarray:
    """Return the glints, (M, 7), as `add_glints` takes them: at the edge of some spots."""
    glints = []
    for spot, ellipse in zip(numbers, ellipses, strict=True):
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
            form = ellipse_form(along, across, angle + 0.5 * math.pi)
            glints.append((x, y, *form, max(along, across), bright))
    return np.array(glints).reshape(-1, 7)


@functools.cache
def _taps(deviation: float) -> np.ndarray:
    """Return the weights of a Gaussian from its middle outwards; those of both sides add up to 1."""
    away = [math.exp(-0.5 * (k / deviation) ** 2) for k in range(math.ceil(3.5 * deviation) + 1)]
    return np.array([weight / (2.0 * math.fsum(away) - away[0]) for weight in away], dtype=np.float32)
