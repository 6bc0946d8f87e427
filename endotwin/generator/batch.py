"""Batches of images with the scenes that their labels are made of, made one ahead of the one in use."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import TYPE_CHECKING

from endotwin.image_range import BATCH, ImageRange

if TYPE_CHECKING:
    import numpy as np

    from endotwin.mosaic.labels import Label
    from endotwin.mosaic.parameters import Conditions
    from endotwin.mosaic.scene import Scene


@dataclass(frozen=True)
class Batch:
    """Images, before anything is encoded.

    Attributes:
        range: which images they are, within one aligned batch; see `images_at_once`.
        images: uint8 grey levels, shape (range.count, H, W).
        scenes: one per image, of a labelled model; else none.
    """

    range: ImageRange
    images: np.ndarray
    scenes: Sequence[Scene] = ()

    def part(self, first: int, end: int) -> Batch:
        """Return the images first to end - 1, counted from the first of the batch."""
        images = ImageRange(self.range.seed, self.range.start + first, end - first)
        return Batch(images, self.images[first:end], self.scenes[first:end])

    def labels(self) -> list[Label]:
        """Compute the labels, one per image: work for a thread other than the device's."""
        return [scene.label(image) for scene, image in zip(self.scenes, self.images, strict=True)]


def images_at_once(conditions: Conditions | None) -> int:
    """Return how many images an aligned batch has: fewer the larger they are."""
    return BATCH if conditions is None else conditions.size.images_at_once


class BatchesAhead:
    """The batches of a range in order. While one is in use the next one is made, and never more than that.

    Iterate once, with `for` or `async for`; `close` cancels the batch that is not needed any more.
    """

    def __init__(
        self, images: ImageRange, begin: Callable[[ImageRange], Future[Batch]], at_once: int = BATCH
    ) -> None:
        """Begin the first batch.

        Args:
            images: the range.
            begin: queue the batch of one of `images.parts(at_once)`.
            at_once: images of a batch.
        """
        self._parts = images.parts(at_once)
        self._begin = begin
        self._ahead: Future[Batch] | None = None
        self._advance()

    def __iter__(self) -> Iterator[Batch]:
        while self._ahead is not None:
            batch = self._ahead.result()
            self._advance()
            yield batch

    async def __aiter__(self) -> AsyncIterator[Batch]:
        while self._ahead is not None:
            batch = await asyncio.wrap_future(self._ahead)
            self._advance()
            yield batch

    def close(self) -> None:
        """Cancel the next batch, unless it is being made."""
        if self._ahead is not None:
            self._ahead.cancel()

    def _advance(self) -> None:
        part = next(self._parts, None)
        self._ahead = None if part is None else self._begin(part)


@dataclass(frozen=True)
class BatchMaker:
    """What makes batches on this machine.

    Attributes:
        make: compute the batch of one part of a range, under conditions or none.
        thread: the one thread that runs `make`.
        device: what the images are made on, as `describe_device` returns it.
    """

    make: Callable[[ImageRange, Conditions | None], Batch]
    thread: Executor
    device: str

    def batches(self, images: ImageRange, conditions: Conditions | None) -> BatchesAhead:
        """Return the batches of a range."""
        at_once = images_at_once(conditions)
        return BatchesAhead(images, lambda part: self.thread.submit(self.make, part, conditions), at_once)
