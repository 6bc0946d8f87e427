"""What comes over a stream, piece by piece: images of an npy, samples of a tar. Nothing is held back."""

from __future__ import annotations

import io
import tarfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Generic, TypeVar

import numpy as np

from endotwin.field_size import STANDARD, FieldSize
from endotwin.image_range import ImageRange
from endotwin.samples.arrays import DamagedSampleError, Sample, read_sample
from endotwin.samples.sample import sample_name

Item = TypeVar("Item")

_NPY_PREFIX = 10
_LONGEST_NPY_HEADER = 1024
_LARGEST_FILE = 1 << 24
"""Bytes: far more than a file of a sample has."""


class BrokenStreamError(Exception):
    """A stream ended too early, or holds something that cannot be: what came before it is whole."""


class Receiver(ABC, Generic[Item]):
    """Takes the pieces of one response."""

    def __init__(self, images: ImageRange, size: FieldSize = STANDARD) -> None:
        """Begin.

        Args:
            images: which images should come.
            size: that they should have.
        """
        self._images = images
        self._size = size
        self._buffer = bytearray()
        self.received = 0

    @abstractmethod
    def feed(self, piece: bytes) -> Iterator[Item]:
        """Take the next bytes; yield what is whole with them.

        Raises:
            BrokenStreamError: they cannot be.
        """

    def end(self) -> None:
        """Note that there are no more bytes.

        Raises:
            BrokenStreamError: something is missing.
        """
        if self.received < self._images.count:
            raise BrokenStreamError(
                f"the stream ended after {self.received} of {self._images.count} images"
            )

    def _take(self, size: int) -> bytes:
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken


class ImageReceiver(Receiver[np.ndarray]):
    """Takes an npy; yields images, uint8 (H, W)."""

    _begun = False

    def feed(self, piece: bytes) -> Iterator[np.ndarray]:
        """Take the next bytes; see `Receiver`."""
        self._buffer += piece
        if not self._begun and not self._read_header():
            return
        size = self._size
        while len(self._buffer) >= size.pixels and self.received < self._images.count:
            image = np.frombuffer(self._take(size.pixels), np.uint8).reshape(size.shape)
            self.received += 1
            yield image

    def _read_header(self) -> bool:
        """Take the header off, if all of it is there."""
        size = _NPY_PREFIX + int.from_bytes(self._buffer[8:10], "little")
        if len(self._buffer) >= _NPY_PREFIX and size > _LONGEST_NPY_HEADER:
            raise BrokenStreamError("the stream is no npy")
        if len(self._buffer) < max(size, _NPY_PREFIX + 1):
            return False
        header = io.BytesIO(self._take(size))
        expected = ((self._images.count, *self._size.shape), False, np.dtype(np.uint8))
        try:
            np.lib.format.read_magic(header)
            found = np.lib.format.read_array_header_1_0(header)
        except ValueError as error:
            raise BrokenStreamError(f"the stream is no npy: {error}") from error
        if found != expected:
            raise BrokenStreamError(f"the stream holds an array of {found}, not of {expected}")
        self._begun = True
        return True


class FilesReceiver(Receiver[tuple[Sample, bytes]]):
    """Takes a tar; yields samples, each with its part of the tar."""

    def __init__(self, images: ImageRange, size: FieldSize = STANDARD) -> None:
        """Begin; see `Receiver`."""
        super().__init__(images, size)
        self._files: dict[str, bytes] = {}
        self._part = bytearray()
        self._ended = False

    def feed(self, piece: bytes) -> Iterator[tuple[Sample, bytes]]:
        """Take the next bytes; see `Receiver`."""
        self._buffer += piece
        while not self._ended and len(self._buffer) >= tarfile.BLOCKSIZE:
            header = bytes(self._buffer[: tarfile.BLOCKSIZE])
            if not any(header):
                self._ended = True
                break
            try:
                member = tarfile.TarInfo.frombuf(header, "ascii", "strict")
            except (tarfile.HeaderError, UnicodeError) as error:
                raise BrokenStreamError(f"the stream is damaged: {error}") from error
            if not member.isreg() or member.size > _LARGEST_FILE:
                raise BrokenStreamError(f"the stream holds something that is no file: {member.name!r}")
            size = tarfile.BLOCKSIZE + member.size + -member.size % tarfile.BLOCKSIZE
            if len(self._buffer) < size:
                return
            whole = self._take(size)
            self._part += whole
            self._files[member.name] = whole[tarfile.BLOCKSIZE : tarfile.BLOCKSIZE + member.size]
            if member.name.endswith(".json"):  # the last file of every sample
                yield self._sample()

    def _sample(self) -> tuple[Sample, bytes]:
        index = self._images.start + self.received
        if index > self._images.last:
            raise BrokenStreamError(f"the stream goes on behind {sample_name(self._images.seed, index)}")
        try:
            sample = read_sample(self._images.seed, index, self._files, self._size)
        except DamagedSampleError as error:
            raise BrokenStreamError(str(error)) from error
        part = bytes(self._part)
        self._files = {}
        self._part.clear()
        self.received += 1
        return sample, part
