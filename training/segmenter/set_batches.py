"""Batches of a labelled set to train a segmenter on."""

from __future__ import annotations

import numpy as np

from endotwin.image_range import IMAGE_SIZE
from training.random_streams import Purpose, stream_of_step
from training.segmenter.labelled_set import LabelledImage, LabelledSet
from training.segmenter.no_cells import with_parts_without_cells
from training.trial.batches import BorderBatch
from training.trial.labelled_source import BLOCK
from training.trial.segmenter_augmentation import displaced_borders


class SetBatches:
    """Crops of the images of a set; every image comes once before any comes again.

    Borders are displaced, unless they are drawn by hand already; some images show no cells, or not
    everywhere (`with_parts_without_cells`).
    """

    def __init__(self, chosen: LabelledSet, seed: int) -> None:
        self._set, self._seed = chosen, seed

    def batch(self, step: int) -> BorderBatch:
        """Return the batch of a step; it depends on the set, the seed and the step alone."""
        images = self._set.training
        places = np.arange(step * BLOCK, (step + 1) * BLOCK)
        orders = {
            turn: stream_of_step(self._seed, Purpose.SEGMENTER_ORDER, turn).permutation(len(images))
            for turn in set((places // len(images)).tolist())
        }
        chosen = [images[orders[place // len(images)][place % len(images)]] for place in places.tolist()]
        return self._crops(chosen, stream_of_step(self._seed, Purpose.SEGMENTER_CROPS, step))

    def aside(self, count: int) -> list[BorderBatch]:
        """Return batches of the validation part: `count`, or fewer where it is smaller."""
        images = self._set.validation
        firsts = range(0, max(1, min(count * BLOCK, len(images) // BLOCK * BLOCK)), BLOCK)
        return [
            self._crops(images[first : first + BLOCK], stream_of_step(0, Purpose.SEGMENTER_SET, first + 1))
            for first in firsts
        ]

    def _crops(self, images: list[LabelledImage], rng: np.random.Generator) -> BorderBatch:
        crops = []
        for labelled in images:
            top, left = (int(rng.integers(size - IMAGE_SIZE + 1)) for size in labelled.image.shape)
            place = np.s_[top : top + IMAGE_SIZE, left : left + IMAGE_SIZE]
            bands, area = labelled.bands_and_area
            bands = bands[place]
            if not self._set.origin.by_hand:
                bands = displaced_borders(bands, rng)
            crops.append(with_parts_without_cells(labelled.image[place], bands, area[place], rng))
        cropped, borders, areas = (np.stack(parts) for parts in zip(*crops, strict=True))
        return BorderBatch(cropped, borders, areas)
