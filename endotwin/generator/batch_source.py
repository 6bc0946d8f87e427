"""What generates batches, as streams and jobs see it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from endotwin.mosaic.parameters import Conditions
from endotwin.mosaic.scene import Scene


class BatchSource(Protocol):
    """What a stream needs of a `endotwin.generator.sampler.Sampler`."""

    def batch(self, seed: int, block: int) -> np.ndarray:
        """Generate one aligned batch, uint8 (BATCH, 128, 128)."""
        ...

    def scenes(self, seed: int, block: int, conditions: Conditions) -> tuple[np.ndarray, list[Scene]]:
        """Generate one aligned batch under conditions, and its scenes: of labelled models only."""
        ...


class DividedSource(BatchSource, Protocol):
    """A source that can draw scenes apart from the device, as a `Sampler` can."""

    def draw(
        self, seed: int, block: int, conditions: Conditions, before_each: Callable[[], None]
    ) -> tuple[np.ndarray, list[Scene]]:
        """Do the part of `scenes` that needs no device, in any thread: draws for `render`, and scenes."""
        ...

    def render(self, draws: np.ndarray, scenes: Sequence[Scene]) -> np.ndarray:
        """Do the other part: the images."""
        ...
