"""How well the images of a labelled generator keep to their labels."""

from __future__ import annotations

import numpy as np

from endotwin.generator.card import LabelStatistics
from endotwin.generator.checkpoint import Checkpoint
from endotwin.generator.sampler import Sampler
from endotwin.image_range import ImageRange
from training.scores.border_displacement import REACH, border_displacements

COUNT = 256
"""Images measured: some hundred thousand pixels of border."""


def measure_labels(
    checkpoint: Checkpoint, *, count: int = COUNT, seed: int = 0, device: str = "cpu"
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
        displacement_reach=REACH,
    )
