"""What all archives of samples have in common: batches go in, the next bytes of the file come out.

The service and the command line write through the same classes, so both give the same bytes. How the images
are split over calls of `add` does not matter to the bytes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar

import numpy as np

from endotwin.generator.batch import Batch
from endotwin.image_range import ImageRange
from endotwin.samples.labelling import LABELS
from endotwin.samples.sample import Provenance, sample_files


class Archive(ABC):
    """Write one archive of a range of images. Not thread-safe.

    The file is `head()`, what every `add(...)` returns, then `tail()`.

    Attributes:
        media_type: for the Content-Type header.
        suffix: of a file of this format, with its dot.
        holds: the labels that the format has a place for.
        content_length: bytes of the whole file where they are known beforehand, else None.
    """

    media_type: ClassVar[str]
    suffix: ClassVar[str]
    holds: ClassVar[frozenset[str]] = frozenset(LABELS)
    content_length: int | None = None

    def __init__(self, images: ImageRange, provenance: Provenance) -> None:
        """Begin an archive.

        Args:
            images: which images it is to hold.
            provenance: model and labels, for the record of every sample.
        """
        self.images = images
        self.provenance = provenance
        self._next = images.start

    def head(self) -> bytes:
        """Return the bytes before the first image."""
        return b""

    def add(self, batch: Batch) -> bytes:
        """Add the next images, with their labels if the archive has any, and return their bytes.

        Raises:
            ValueError: these are not the next images, they are not uint8 (B, H, W), or labels are missing.
        """
        images = batch.images
        if images.dtype != np.uint8 or images.ndim != 3 or len(images) != batch.range.count:
            raise ValueError(
                f"images must be uint8 ({batch.range.count}, H, W), got {images.dtype} {images.shape}"
            )
        self._check_next(batch.range)
        data = self._encode(batch)
        self._next += batch.range.count
        return data

    def skip(self, images: ImageRange) -> None:
        """Leave out the next images.

        Raises:
            ValueError: these are not the next ones.
        """
        self._check_next(images)
        self._next += images.count

    def tail(self) -> bytes:
        """Return the bytes after all samples; they show a reader that the file is complete.

        Raises:
            ValueError: images are missing.
        """
        if self._next <= self.images.last:
            raise ValueError(f"images from {self._next} to {self.images.last} are missing")
        return self._end()

    def _check_next(self, images: ImageRange) -> None:
        if (images.seed, images.start) != (self.images.seed, self._next):
            raise ValueError(f"the next image is {self._next} of seed {self.images.seed}, got {images}")
        if images.last > self.images.last:
            raise ValueError(f"the last image is {self.images.last}, got {images}")

    @abstractmethod
    def _encode(self, batch: Batch) -> bytes: ...

    def _end(self) -> bytes:
        return b""

    def _files(self, batch: Batch) -> Iterator[tuple[str, bytes]]:
        return sample_files(batch, self.provenance)
