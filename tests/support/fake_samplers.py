"""Samplers whose images a test controls."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from endotwin.generator.batch import Batch
from endotwin.image_range import BATCH, ImageRange
from endotwin.mosaic.parameters import Conditions


class FakeSampler:
    """A sampler without a network: `aligned` makes the images of an aligned batch.

    Attributes:
        independent: as of `Sampler`.
    """

    independent = False

    def aligned(self, seed: int, block: int) -> np.ndarray:
        """Return uint8 (BATCH, 128, 128)."""
        raise AssertionError("nothing is to be generated")

    def batch(self, part: ImageRange, conditions: Conditions | None = None) -> Batch:
        first = part.start % BATCH
        return Batch(part, self.aligned(part.seed, part.start // BATCH)[first : first + part.count])

    def rows(self, part: ImageRange, conditions: Conditions | None = None) -> int:
        return part.count if self.independent else BATCH

    def draw(
        self,
        part: ImageRange,
        conditions: Conditions | None = None,
        before_each: Callable[[], None] = lambda: None,
    ) -> ImageRange:
        return part

    def render(self, drawings: Sequence[ImageRange]) -> list[Batch]:
        return [self.batch(part) for part in drawings]


def block(seed: int, number: int) -> ImageRange:
    """Return the range of a whole aligned batch."""
    return ImageRange(seed, number * BATCH, BATCH)
