"""Augmentation of a segmenter's training images, and the displacement of synthetic borders."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from endotwin.light_augmentation import change_light
from endotwin.mosaic.expert_hand import DISPLACEMENT, DISPLACEMENT_BLUR, SHIFT
from endotwin.smooth_noise import smooth_noise

if TYPE_CHECKING:
    from training.trial.batches import BorderBatch

ZOOM_CHANCE = 0.5
"""Of an image to be enlarged or shrunk."""

ZOOM = (0.7, 1.6)
"""Smallest and largest factor: more upwards, since it is large cells that are cut in pieces."""

MOVES = f"turns, flips, {ZOOM_CHANCE:g} of them enlarged by {ZOOM[0]:g} to {ZOOM[1]:g}"
"""What `augmented` does to an image but for its light, for the texts that name a method."""


def displaced_borders(bands: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Displace border bands, bool (H, W), as an expert's hand would (`endotwin.mosaic.expert_hand`).

    For sources that know only where their borders are.

    Returns:
        bool (H, W).
    """
    places = []
    for axis in np.indices(bands.shape, dtype=np.float32):
        noise = rng.standard_normal(bands.shape, dtype=np.float32)
        smooth = DISPLACEMENT * smooth_noise(noise, DISPLACEMENT_BLUR)
        places.append(axis + smooth + SHIFT * rng.standard_normal())
    grey = ndimage.map_coordinates(bands.astype(np.float32), places, order=1, mode="nearest")
    return np.asarray(grey > 0.5)


def augmented(batch: BorderBatch, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Turn, mirror and enlarge or shrink each image with its labels, and change its light (`change_light`).

    Returns:
        Images float32 (16, 128, 128) from 0 to 1, borders and areas bool of the same shape.
    """
    changed = [
        _augmented_image(image, border, area, rng)
        for image, border, area in zip(batch.images, batch.borders, batch.areas, strict=True)
    ]
    images, borders, areas = (np.stack(parts) for parts in zip(*changed, strict=True))
    return images, borders, areas


def _augmented_image(
    image: np.ndarray, border: np.ndarray, area: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    quarter, mirror = int(rng.integers(4)), bool(rng.integers(2))
    image, border, area = (
        np.rot90(np.flipud(part) if mirror else part, quarter) for part in (image, border, area)
    )
    if rng.random() < ZOOM_CHANCE:
        image, border, area = _zoomed(image, border, area, float(np.exp(rng.uniform(*np.log(ZOOM)))))
    return change_light(image.astype(np.float32) / 255, rng), border, area


def _zoomed(
    image: np.ndarray, border: np.ndarray, area: np.ndarray, factor: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Enlarge an image about its centre, its labels with it.

    What a smaller one leaves free is mirrored and not labelled: cells have other shapes along a mirror.
    """
    grey, lines, known = (
        _scaled(part, factor, mode)
        for part, mode in ((image, "reflect"), (border, "constant"), (area, "constant"))
    )
    return grey, lines > 0.5, known > 0.5


def _scaled(part: np.ndarray, factor: float, mode: str) -> np.ndarray:
    matrix = np.full(2, 1 / factor)
    middle = (np.array(part.shape) - 1) / 2
    scaled: np.ndarray = ndimage.affine_transform(
        part.astype(np.float32), matrix, middle - matrix * middle, order=1, mode=mode
    )
    return scaled
