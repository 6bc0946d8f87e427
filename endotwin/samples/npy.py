"""One array of images, as numpy reads it."""

from __future__ import annotations

import io

import numpy as np

from endotwin.field_size import STANDARD, FieldSize
from endotwin.generator.batch import Batch
from endotwin.image_range import ImageRange
from endotwin.samples.archive import Archive
from endotwin.samples.sample import Provenance


def npy_header(count: int, size: FieldSize = STANDARD) -> bytes:
    """Return what comes before the grey levels of so many images of a size."""
    header = io.BytesIO()
    shape = (count, *size.shape)
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return header.getvalue()


class NpyArchive(Archive):
    """One uint8 array, shape (count, H, W), as `numpy.save` writes it. Holds no names and no labels."""

    media_type = "application/x-npy"
    suffix = ".npy"
    holds = frozenset()

    def __init__(self, images: ImageRange, provenance: Provenance) -> None:
        """Begin an array; see `Archive`."""
        super().__init__(images, provenance)
        self._size = provenance.labelling.size
        self._header = npy_header(images.count, self._size)
        self.content_length = len(self._header) + images.count * self._size.pixels

    def head(self) -> bytes:
        """Return the header of the array."""
        return self._header

    def _encode(self, batch: Batch) -> bytes:
        if batch.images.shape[1:] != self._size.shape:
            raise ValueError(f"images must be {self._size}, got {batch.images.shape[1:]}")
        return batch.images.tobytes()
