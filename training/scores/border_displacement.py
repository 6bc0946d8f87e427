"""How far the borders that an image shows lie from where its label has them.

No trained network is used: along the normal of every border of the label, the darkest place of the smoothed
image is the border that is seen.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates

from endotwin.generator.card import LabelStatistics
from endotwin.generator.checkpoint import Checkpoint
from endotwin.generator.sampler import Sampler
from endotwin.image_range import ImageRange

MEASURED_IMAGES = 256
"""Images of a generator that are measured: some hundred thousand pixels of border."""

PROFILE_REACH = 4.0
"""The darkest place is looked for up to so many pixels to either side."""

_STEP = 0.25
_SMOOTHING = 1.0
_LENGTH = 3.0
"""Profiles are averaged over so many pixels to either side along the border: grain is not a border."""

_TENSOR_SMOOTHING = 1.5
_STRAIGHTNESS = 0.7
"""Coherence of the label's structure tensor from which on a border is straight enough to have a normal;
corners, where three borders meet, have none."""


def measure_labels(
    checkpoint: Checkpoint, *, count: int = MEASURED_IMAGES, seed: int = 0, device: str = "cpu"
) -> LabelStatistics | None:
    """Measure where the borders of images 0 to count - 1 of a seed lie; borders under guttae are left out.

    Args:
        checkpoint: any; its card is not read.
        count: number of images.
        seed: of the images.
        device: torch device.

    Returns:
        None for a checkpoint without labels.
    """
    sampler = Sampler(checkpoint, device)
    if not sampler.has_labels:
        return None
    found = []
    for batch in sampler.batches(ImageRange(seed, 0, count)):
        for image, label in zip(batch.images, batch.labels(), strict=True):
            visible = np.where(label.guttae > 0, 0, label.borders)
            found.append(border_displacements(image, label.soft, visible))
    displacements = np.concatenate(found)
    return LabelStatistics(
        count=count,
        displacement_median=float(np.median(displacements)),
        displacement_within_one=round(float((displacements <= 1.0).mean()), 4),
        displacement_reach=PROFILE_REACH,
    )


def border_displacements(image: np.ndarray, soft: np.ndarray, borders: np.ndarray) -> np.ndarray:
    """Measure one image.

    Without any border to be seen, displacements are uniform, with a median of half of `PROFILE_REACH`.

    Args:
        image: uint8 grey levels (H, W).
        soft: uint8 (H, W), the label's soft border map.
        borders: uint8 (H, W), the label's borders, 255 on a line one pixel wide; those to be measured.

    Returns:
        Displacements across the border in pixels, each from 0 to `PROFILE_REACH`, one for each pixel on a
        straight piece of border that lies at least `PROFILE_REACH` from the edge of the image.
    """
    smooth = gaussian_filter(soft.astype(np.float64), 0.7)
    by_row, by_column = np.gradient(smooth)
    rr, rc, cc = (
        gaussian_filter(product, _TENSOR_SMOOTHING)
        for product in (by_row * by_row, by_row * by_column, by_column * by_column)
    )
    angle = 0.5 * np.arctan2(2.0 * rc, cc - rr)  # of the normal, from the direction of columns
    coherence = np.hypot(cc - rr, 2.0 * rc) / np.maximum(rr + cc, 1e-9)

    margin = int(np.ceil(PROFILE_REACH)) + 1
    chosen = (borders > 0) & (coherence >= _STRAIGHTNESS)
    chosen[:margin] = chosen[-margin:] = False
    chosen[:, :margin] = chosen[:, -margin:] = False
    rows, columns = np.nonzero(chosen)
    normal = angle[rows, columns]
    across = np.arange(-PROFILE_REACH, PROFILE_REACH + _STEP / 2, _STEP)
    along = np.arange(-_LENGTH, _LENGTH + 0.5)
    sin, cos = np.sin(normal)[:, None, None], np.cos(normal)[:, None, None]
    places = np.stack(
        [
            rows[:, None, None] + sin * across + cos * along[:, None],
            columns[:, None, None] + cos * across - sin * along[:, None],
        ]
    )
    seen = gaussian_filter(image.astype(np.float64), _SMOOTHING)
    profiles = map_coordinates(seen, places, order=1, mode="nearest").mean(axis=1)
    darkest: np.ndarray = np.abs(across[profiles.argmin(axis=1)])
    return darkest
