"""One aligned batch as it comes from the device, before anything is encoded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from endotwin.generator.batch_source import BatchSource
from endotwin.mosaic.labels import Label
from endotwin.mosaic.parameters import Conditions
from endotwin.mosaic.scene import Scene
from endotwin.samples.labelling import Labelling


@dataclass(frozen=True)
class Batch:
    """Images, and what their labels are made of.

    Attributes:
        images: uint8 grey levels, shape (B, 128, 128).
        scenes: B of them, or none where no labels are wanted.
    """

    images: np.ndarray
    scenes: Sequence[Scene] = ()

    def part(self, first: int, last: int) -> Batch:
        """Return images `first` to `last` - 1 of the batch."""
        return Batch(self.images[first:last], self.scenes[first:last])

    def labels(self) -> list[Label]:
        """Make the labels: work for a thread other than the device's."""
        return [scene.label() for scene in self.scenes]


def make_batch(source: BatchSource, seed: int, block: int, labelling: Labelling) -> Batch:
    """Generate one aligned batch; see `endotwin.generator.sampler.Sampler`."""
    if not labelling:
        return Batch(source.batch(seed, block))
    images, scenes = source.scenes(seed, block, labelling.conditions or Conditions())
    return Batch(images, scenes if labelling.labels else ())
