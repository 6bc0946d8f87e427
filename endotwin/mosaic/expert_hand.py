"""Labels as an expert would draw them, and the mosaics that a segmenter learns most from.

Borders that an expert draws lie near the true ones, not exactly on them. A segmenter that learns from exact
labels is overconfident and finds several borders where one is hard to see (docs/trial.md has the
measurements).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from endotwin.field_size import STANDARD, FieldSize
from endotwin.generator.latents import STREAM_OF_HAND, draw_normals, size_stream
from endotwin.image_range import ImageRange
from endotwin.mosaic.parameters import DEFAULT_PIXEL_SIZE, DENSITY, Conditions, Range
from endotwin.smooth_noise import smooth_noise

DISPLACEMENT = 0.7
"""Standard deviation of the displacement along each axis that changes from place to place, pixels: as far
as experts' lines lie from a segmenter's, once their mean is subtracted."""

DISPLACEMENT_BLUR = 6.0
"""Standard deviation of the blur that makes it smooth, pixels: shorter than a border is long."""

SHIFT = 0.4
"""Standard deviation of the displacement along each axis that all borders of an image share, pixels."""

NO_GUTTAE = Range(low=0.0, high=0.0)
"""A border that a gutta hides is in the label all the same: a network cannot learn to see it."""

REGULAR_CV, REGULAR_HEXAGONALITY = Range(low=0.15, high=0.28), Range(low=0.65, high=0.85)
"""Mosaics more regular than most corneas: a network learns the usual shape of a cell from them, which helps
where haze hides borders."""

LARGE, SMALL = Range(low=600.0, high=1600.0), Range(low=2400.0, high=4400.0)
"""Densities of large and of small cells, per mm² at the default pixel size: a network that has seen few of
them cuts large cells in pieces and joins small ones."""

_DENSITY_IN_TURN = (None, None, LARGE, SMALL)

KINDS = len(_DENSITY_IN_TURN)
"""Number of kinds of images, which come in turn."""


@dataclass(frozen=True)
class Hand:
    """The hand that draws the borders of one image; it follows from the seed and the index of the image."""

    seed: int
    index: int

    def displacement(self, size: FieldSize = STANDARD) -> np.ndarray:
        """Return where each border is drawn, as seen from there, in an image of a size.

        Returns:
            float64 (2, H, W): from a pixel, how far down and to the right the place lies whose cell it
            shows, in pixels.
        """
        pixels = size.pixels
        stream = STREAM_OF_HAND + size_stream(size)
        numbers = draw_normals(ImageRange(self.seed, self.index, 1), 2 * pixels + 2, stream)[0]
        numbers = numbers.astype(np.float64)
        noise = numbers[: 2 * pixels].reshape(2, *size.shape)
        return np.stack(
            [
                DISPLACEMENT * smooth_noise(axis, DISPLACEMENT_BLUR) + SHIFT * shared
                for axis, shared in zip(noise, numbers[2 * pixels :], strict=True)
            ]
        )


def conditions_of_image(asked: Conditions, index: int) -> Conditions:
    """Return what one image meets of what is left open: no guttae, cells of every size, regular mosaics.

    Of four images one has a usual mosaic, one a regular one, one large cells, and one a regular mosaic of
    small cells.

    Args:
        asked: with `expert_hand`.
        index: of the image.
    """
    more: dict[str, Range] = {}
    if asked.guttae is None:
        more["guttae"] = NO_GUTTAE
    if asked.age is None:
        if index % 2 and asked.cv is None and asked.hexagonality is None:
            more |= {"cv": REGULAR_CV, "hexagonality": REGULAR_HEXAGONALITY}
        density = _at_pixel_size(_DENSITY_IN_TURN[index % KINDS], asked.pixel_size)
        if asked.density is None and density is not None:
            more["density"] = density
    return asked.model_copy(update=more)


def _at_pixel_size(density: Range | None, pixel_size: float) -> Range | None:
    """Return the density at which cells have as many pixels; None where it cannot be asked for."""
    if density is None:
        return None
    factor = (DEFAULT_PIXEL_SIZE / pixel_size) ** 2
    low, high = max(density.low * factor, DENSITY[0]), min(density.high * factor, DENSITY[1])
    return Range(low=low, high=high) if low < high else None
