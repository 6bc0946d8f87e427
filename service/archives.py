"""Archives of samples, made piece by piece: images go in, the next bytes of the file come out.

The service and the command line write through these classes, so both give the same bytes. How the images
are split over calls of `add` does not matter to the bytes.
"""

from __future__ import annotations

import io
import tarfile
import zipfile
from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np

from service.samples import sample_files
from training.network_layout import IMAGE_SIZE


class Archive(ABC):
    """One archive in the making, for images start to start + count - 1 of a seed. Not thread-safe.

    The file is `head()`, then what every `add(...)` returns, then `tail()`.

    Attributes:
        media_type: for the Content-Type header.
        suffix: of a file of this format, with its dot.
        content_length: bytes of the whole file where they are known beforehand, else None.
    """

    media_type: ClassVar[str]
    suffix: ClassVar[str]
    content_length: int | None = None

    def __init__(self, seed: int, start: int, count: int, model: str, checkpoint_sha256: str) -> None:
        """Begin an archive of `count` images from index `start` on, of the named checkpoint."""
        self.seed = seed
        self.start = start
        self.count = count
        self.model = model
        self.checkpoint_sha256 = checkpoint_sha256
        self.added = 0

    def head(self) -> bytes:
        """Return the bytes before the first image."""
        return b""

    def add(self, images: np.ndarray) -> bytes:
        """Add the next images in index order, and return their bytes.

        Args:
            images: uint8 grey levels, shape (B, H, W).

        Raises:
            ValueError: not such an array, or more images than the archive was begun for.
        """
        if images.dtype != np.uint8 or images.ndim != 3:
            raise ValueError(f"images must be uint8 (B, H, W), got {images.dtype} {images.shape}")
        if self.added + len(images) > self.count:
            raise ValueError(f"{self.added + len(images)} images for an archive of {self.count}")
        data = self._encode(images)
        self.added += len(images)
        return data

    def tail(self) -> bytes:
        """Return the bytes after the last image; they tell a reader that the file is complete.

        Raises:
            ValueError: images are missing.
        """
        if self.added != self.count:
            raise ValueError(f"only {self.added} images for an archive of {self.count}")
        return self._end()

    @abstractmethod
    def _encode(self, images: np.ndarray) -> bytes: ...

    def _end(self) -> bytes:
        return b""

    def _files(self, images: np.ndarray) -> list[tuple[str, bytes]]:
        first = self.start + self.added
        return list(sample_files(images, self.seed, first, self.model, self.checkpoint_sha256))


class TarArchive(Archive):
    """A USTAR file in the WebDataset layout: KEY.png and KEY.json of each sample, side by side."""

    media_type = "application/x-tar"
    suffix = ".tar"

    def __init__(self, seed: int, start: int, count: int, model: str, checkpoint_sha256: str) -> None:
        """Begin a tar; see `Archive`."""
        super().__init__(seed, start, count, model, checkpoint_sha256)
        self._size = 0

    def _encode(self, images: np.ndarray) -> bytes:
        parts = []
        for name, content in self._files(images):
            member = tarfile.TarInfo(name)  # mtime, uid and gid are 0, user and group have no name
            member.size = len(content)
            parts += [member.tobuf(tarfile.USTAR_FORMAT), content, bytes(-len(content) % tarfile.BLOCKSIZE)]
        data = b"".join(parts)
        self._size += len(data)
        return data

    def _end(self) -> bytes:
        """Two empty blocks, and as many more as fill the last record: what `tarfile` itself writes."""
        end = 2 * tarfile.BLOCKSIZE
        return bytes(end + -(self._size + end) % tarfile.RECORDSIZE)


class ZipArchive(Archive):
    """A zip file of stored members (a PNG is compressed already); ZIP64 where it has to be.

    Only the list of members is kept, about half a kilobyte each, for the directory at the end.
    """

    media_type = "application/zip"
    suffix = ".zip"

    def __init__(self, seed: int, start: int, count: int, model: str, checkpoint_sha256: str) -> None:
        """Begin a zip; see `Archive`."""
        super().__init__(seed, start, count, model, checkpoint_sha256)
        self._window = _Window()
        self._zip = zipfile.ZipFile(self._window, "w", zipfile.ZIP_STORED)

    def _encode(self, images: np.ndarray) -> bytes:
        for name, content in self._files(images):
            member = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            member.create_system = 3  # Unix, on every system
            member.external_attr = 0o100644 << 16
            self._zip.writestr(member, content)
        return self._window.drain()

    def _end(self) -> bytes:
        self._zip.close()
        return self._window.drain()


class NpyArchive(Archive):
    """One uint8 array, shape (count, 128, 128), as `numpy.save` writes it. Holds no names."""

    media_type = "application/x-npy"
    suffix = ".npy"

    def __init__(self, seed: int, start: int, count: int, model: str, checkpoint_sha256: str) -> None:
        """Begin an array; see `Archive`."""
        super().__init__(seed, start, count, model, checkpoint_sha256)
        shape = (count, IMAGE_SIZE, IMAGE_SIZE)
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(
            header, {"descr": "|u1", "fortran_order": False, "shape": shape}
        )
        self._header = header.getvalue()
        self.content_length = len(self._header) + count * IMAGE_SIZE * IMAGE_SIZE

    def head(self) -> bytes:
        """Return the header of the array."""
        return self._header

    def _encode(self, images: np.ndarray) -> bytes:
        if images.shape[1:] != (IMAGE_SIZE, IMAGE_SIZE):
            raise ValueError(f"images must be {IMAGE_SIZE} x {IMAGE_SIZE}, got {images.shape[1:]}")
        return images.tobytes()


FORMATS: dict[str, type[Archive]] = {"tar": TarArchive, "zip": ZipArchive, "npy": NpyArchive}
"""Every archive format, by the name a caller asks for."""


class _Window(io.BytesIO):
    """The end of a file whose start has been sent on already; positions are those of the whole file.

    `zipfile` goes back within the member it writes to fill in size and checksum. With a window it can do
    so without keeping the file, and readers that cannot seek find both in front of the data.
    """

    def __init__(self) -> None:
        super().__init__()
        self._sent = 0

    def tell(self) -> int:
        return self._sent + super().tell()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_SET:
            offset -= self._sent
        return self._sent + super().seek(offset, whence)

    def drain(self) -> bytes:
        """Hand out what was written since the last call, and forget it."""
        data = self.getvalue()
        super().seek(0)
        self.truncate(0)
        self._sent += len(data)
        return data
