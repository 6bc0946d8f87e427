"""One array of images, as numpy reads it."""

from __future__ import annotations

import io

import numpy as np

from endotwin.generator.batch import Batch
from endotwin.image_range import IMAGE_SIZE, ImageRange
from endotwin.samples.archive import Archive
from endotwin.samples.sample import Provenance


def npy_header(count: int) -> bytes:
    """Return what comes before the grey levels of so many images."""
    header = io.BytesIO()
    shape = (count, IMAGE_SIZE, IMAGE_SIZE)
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return header.getvalue()


class NpyArchive(Archive):
    """One uint8 array, shape (count, 128, 128), as `numpy.save` writes it. Holds no names and no labels."""

    media_type = "application/x-npy"
    suffix = ".npy"
    holds = frozenset()

    def __init__(self, images: ImageRange, provenance: Provenance) -> None:
        """Begin an array; see `Archive`."""
        super().__init__(images, provenance)
        self._header = npy_header(images.count)
        self.content_length = len(self._header) + images.count * IMAGE_SIZE * IMAGE_SIZE

    def head(self) -> bytes:
        """Return the header of the array."""
        return self._header

    def _encode(self, batch: Batch) -> bytes:
        if batch.images.shape[1:] != (IMAGE_SIZE, IMAGE_SIZE):
            raise ValueError(f"images must be {IMAGE_SIZE} x {IMAGE_SIZE}, got {batch.images.shape[1:]}")
        return batch.images.tobytes()
