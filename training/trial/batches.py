"""Batches to train a segmenter on: crops of annotated images, or labelled synthetic images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from endotwin.image_range import IMAGE_SIZE
from training.random_streams import Purpose, stream_of_step
from training.trial.annotated_images import AnnotatedImage
from training.trial.borders import thick, thin
from training.trial.labelled_source import ASIDE, BLOCK, LabelledSource
from training.trial.segmenter_augmentation import displaced_borders
from training.trial.trial_data import TrainingSet

BLOCKS_OF_SEED = 2**20
"""Blocks of a labelled source that a seed has to itself."""


@dataclass(frozen=True)
class BorderBatch:
    """Sixteen images and their borders.

    Attributes:
        images: uint8 grey levels (16, 128, 128).
        borders: bool (16, 128, 128), borders three pixels wide.
        areas: bool (16, 128, 128), where the borders are known.
    """

    images: np.ndarray
    borders: np.ndarray
    areas: np.ndarray


class RealBatches:
    """Random crops of annotated images: a source by weight, in it each annotated pixel equally likely.

    The crop is centred on the drawn pixel as far as the image allows. Images smaller than a crop are
    mirrored at their edges, without annotation.
    """

    def __init__(
        self, training: Sequence[TrainingSet], seed: int, purpose: Purpose = Purpose.TRIAL_CROPS
    ) -> None:
        self._seed = seed
        self._purpose = purpose
        weights = np.array([chosen.weight for chosen in training])
        self._shares = weights / weights.sum()
        self._sets = [[_Croppable(image) for image in chosen.images] for chosen in training]
        areas = [np.array([len(image.annotated) for image in images], dtype=float) for images in self._sets]
        self._image_shares = [area / area.sum() for area in areas]

    def batch(self, step: int) -> BorderBatch:
        """Return the batch of a step; it depends on the seed, the purpose and the step alone."""
        rng = stream_of_step(self._seed, self._purpose, step)
        crops = []
        for chosen in rng.choice(len(self._sets), BLOCK, p=self._shares):
            image = self._sets[chosen][rng.choice(len(self._sets[chosen]), p=self._image_shares[chosen])]
            crops.append(image.crop(rng))
        images, borders, areas = (np.stack(parts) for parts in zip(*crops, strict=True))
        return BorderBatch(images, borders, areas)


class SyntheticBatches:
    """Blocks of a labelled source: step t of seed s takes block s × 2 ** 20 + t.

    Borders are displaced, unless they are drawn by hand already.
    """

    def __init__(self, source: LabelledSource, seed: int) -> None:
        """Take the blocks of a seed, 0 to 1,023."""
        self._source = source
        self._seed = seed

    def batch(self, step: int) -> BorderBatch:
        """Return the batch of a step.

        Raises:
            ValueError: the block is not as `LabelledSource` says.
        """
        rng = stream_of_step(self._seed, Purpose.TRIAL_BORDERS, step)
        return self._block(self._seed * BLOCKS_OF_SEED + step, rng)

    def aside(self, count: int) -> list[BorderBatch]:
        """Return batches that no seed is trained on."""
        return [
            self._block(ASIDE + k, stream_of_step(0, Purpose.TRIAL_VALIDATION, k)) for k in range(count)
        ]

    def _block(self, index: int, rng: np.random.Generator) -> BorderBatch:
        images, borders = self._source.block(index)
        shape = (BLOCK, IMAGE_SIZE, IMAGE_SIZE)
        for name, part in (("images", images), ("borders", borders)):
            if part.shape != shape or part.dtype != np.uint8:
                raise ValueError(
                    f"{self._source.name}: {name} must be uint8 {shape}, got {part.dtype} {part.shape}"
                )
        # Thinned as the experts' borders are, so that the bands learned are as wide, stairs included.
        bands = np.stack([thick(thin(lines > 127)) for lines in borders])
        if not self._source.by_hand:
            bands = np.stack([displaced_borders(band, rng) for band in bands])
        return BorderBatch(images, bands, np.ones(shape, dtype=bool))


class _Croppable:
    """An image at least as large as a crop, its bands, and the list of its annotated pixels."""

    def __init__(self, image: AnnotatedImage) -> None:
        padding = [(0, max(0, IMAGE_SIZE - size)) for size in image.pixels.shape]
        self._pixels = np.pad(image.pixels, padding, mode="symmetric")
        self._borders = np.pad(thick(image.lines), padding)
        self._area = np.pad(image.area, padding)
        self.annotated = np.argwhere(self._area)

    def crop(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        centre = self.annotated[rng.integers(len(self.annotated))]
        top, left = np.clip(centre - IMAGE_SIZE // 2, 0, np.array(self._area.shape) - IMAGE_SIZE)
        place = (slice(top, top + IMAGE_SIZE), slice(left, left + IMAGE_SIZE))
        return self._pixels[place], self._borders[place], self._area[place]
