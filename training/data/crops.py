"""Random crops of grey images: what a network is trained on and scored against."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from endotwin.image_range import IMAGE_SIZE
from training.data.split import GreyImage


def draw_crops(
    images: Sequence[GreyImage], count: int, rng: np.random.Generator, *, flips: bool = True
) -> np.ndarray:
    """Draw random crops: the image by weight, the place uniformly, mirrored either way with chance 1/2.

    Args:
        images: at least one, none smaller than a crop.
        count: number of crops.
        rng: source of all randomness.
        flips: mirror left-right and up-down at random.

    Returns:
        uint8 grey levels, shape (count, 128, 128).
    """
    return draw_crops_of(images, count, rng, flips=flips)[0]


def draw_crops_of(
    images: Sequence[GreyImage], count: int, rng: np.random.Generator, *, flips: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Draw random crops as `draw_crops` does, and return beside them which image each is of.

    Returns:
        uint8 grey levels (count, 128, 128), and int64 (count,), indices of images.
    """
    size = IMAGE_SIZE
    weights = np.array([image.weight for image in images], dtype=np.float64)
    chosen = rng.choice(len(images), size=count, p=weights / weights.sum())
    places = rng.random((count, 2))
    mirrored = rng.random((count, 2)) < 0.5
    crops = np.empty((count, size, size), dtype=np.uint8)
    for k in range(count):
        pixels = images[int(chosen[k])].pixels
        y = int(places[k, 0] * (pixels.shape[0] - size + 1))
        x = int(places[k, 1] * (pixels.shape[1] - size + 1))
        crop = pixels[y : y + size, x : x + size]
        if flips and mirrored[k, 0]:
            crop = crop[:, ::-1]
        if flips and mirrored[k, 1]:
            crop = crop[::-1]
        crops[k] = crop
    return crops, chosen
