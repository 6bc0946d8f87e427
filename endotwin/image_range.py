"""The numbers of the contract `image(checkpoint, seed, index)`, and a range of images within them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

MAX_SEED = 2**64 - 1
MAX_INDEX = 2**53 - 1
"""Largest image index: the largest integer that every JSON reader keeps exact."""

IMAGE_SIZE = 128
"""Side of an image in pixels."""

BATCH = 16
"""Images per run of the network. Part of the contract: another value would change bytes."""


class ImageRangeError(ValueError):
    """A seed or index out of range; the message says what is allowed.

    Attributes:
        field: `seed`, `start` or `count`.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True)
class ImageRange:
    """Images start to start + count - 1 of a seed.

    Attributes:
        seed: 0 to 2**64 - 1.
        start: index of the first image, 0 to 2**53 - 1.
        count: number of images, at least 1.
    """

    seed: int
    start: int
    count: int

    def __post_init__(self) -> None:
        """Check the limits.

        Raises:
            ImageRangeError: a number is out of range.
        """
        if not 0 <= self.seed <= MAX_SEED:
            raise ImageRangeError("seed", f"seed must be from 0 to {MAX_SEED}, got {self.seed}")
        if self.count < 1:
            raise ImageRangeError("count", f"count must be at least 1, got {self.count}")
        if self.start < 0:
            raise ImageRangeError("start", f"start must be from 0 to {MAX_INDEX}, got {self.start}")
        if self.last > MAX_INDEX:
            raise ImageRangeError(
                "start", f"indices must be from 0 to {MAX_INDEX}, got {self.count} from {self.start} on"
            )

    @property
    def last(self) -> int:
        """Index of the last image."""
        return self.start + self.count - 1

    @property
    def indices(self) -> range:
        """Indices of all images."""
        return range(self.start, self.start + self.count)

    def parts(self, at_once: int = BATCH) -> Iterator[ImageRange]:
        """Yield the parts of the range in each aligned batch (multiples of `at_once`), in order."""
        start, end = self.start, self.start + self.count
        while start < end:
            stop = min(start - start % at_once + at_once, end)
            yield ImageRange(self.seed, start, stop - start)
            start = stop
