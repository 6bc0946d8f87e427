"""Archives of samples, made piece by piece: images and labels go in, the next bytes of the file come out.

The service and the command line write through these classes, so both give the same bytes. How the images
are split over calls of `add` does not matter to the bytes.
"""

from __future__ import annotations

import io
import tarfile
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from endotwin.image_size import IMAGE_SIZE
from endotwin.samples.labelling import LABELS, PLAIN, Labelling, LabellingError
from endotwin.samples.npz import ArraySpec, NpzWriter
from endotwin.samples.sample import sample_files

if TYPE_CHECKING:  # it brings scipy, and the command line does without until it generates
    from endotwin.mosaic.labels import Label


class Archive(ABC):
    """One archive in the making, for images start to start + count - 1 of a seed. Not thread-safe.

    The file is `head()`, what every `add(...)` returns, the pieces of `held_back()`, then `tail()`.

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

    def __init__(
        self,
        seed: int,
        start: int,
        count: int,
        model: str,
        checkpoint_sha256: str,
        labelling: Labelling = PLAIN,
    ) -> None:
        """Begin an archive of `count` images from index `start` on, of the named checkpoint."""
        self.seed = seed
        self.start = start
        self.count = count
        self.model = model
        self.checkpoint_sha256 = checkpoint_sha256
        self.labelling = labelling
        self.added = 0
        self._begin()

    @abstractmethod
    def _begin(self) -> None:
        """Make ready what the format needs, once everything else of the archive is known."""

    def head(self) -> bytes:
        """Return the bytes before the first image."""
        return b""

    def add(self, images: np.ndarray, labels: Sequence[Label] = ()) -> bytes:
        """Add the next images in index order, and return their bytes.

        Args:
            images: uint8 grey levels, shape (B, H, W).
            labels: of the images, in an archive that was begun with labels.

        Raises:
            ValueError: not such an array, more images than the archive was begun for, or not a label each.
        """
        if images.dtype != np.uint8 or images.ndim != 3:
            raise ValueError(f"images must be uint8 (B, H, W), got {images.dtype} {images.shape}")
        if self.added + len(images) > self.count:
            raise ValueError(f"{self.added + len(images)} images for an archive of {self.count}")
        if self.labelling.labels and len(labels) != len(images):
            raise ValueError(f"{len(labels)} labels for {len(images)} images")
        data = self._encode(images, labels)
        self.added += len(images)
        return data

    def held_back(self) -> Iterator[bytes]:
        """Yield what of the samples can only follow the last image: nothing in most formats.

        Raises:
            ValueError: images are missing.
        """
        self._check_complete()
        yield from self._behind()

    def tail(self) -> bytes:
        """Return the bytes after all samples; they tell a reader that the file is complete.

        Raises:
            ValueError: images are missing.
        """
        self._check_complete()
        return self._end()

    def close(self) -> None:  # noqa: B027 - most formats hold nothing
        """Free what the archive holds outside of memory, whether or not it is complete."""

    @abstractmethod
    def _encode(self, images: np.ndarray, labels: Sequence[Label]) -> bytes: ...

    def _behind(self) -> Iterator[bytes]:
        yield from ()

    def _end(self) -> bytes:
        return b""

    def _check_complete(self) -> None:
        if self.added != self.count:
            raise ValueError(f"only {self.added} images for an archive of {self.count}")

    def _files(self, images: np.ndarray, labels: Sequence[Label]) -> Iterator[tuple[str, bytes]]:
        first = self.start + self.added
        return sample_files(
            images, self.seed, first, self.model, self.checkpoint_sha256, self.labelling, labels
        )


class TarArchive(Archive):
    """A USTAR file in the WebDataset layout: the files of each sample side by side, KEY.png first."""

    media_type = "application/x-tar"
    suffix = ".tar"

    def _begin(self) -> None:
        self._size = 0

    def _encode(self, images: np.ndarray, labels: Sequence[Label]) -> bytes:
        parts = []
        for name, content in self._files(images, labels):
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

    def _begin(self) -> None:
        self._window = _Window()
        self._zip = zipfile.ZipFile(self._window, "w", zipfile.ZIP_STORED)

    def _encode(self, images: np.ndarray, labels: Sequence[Label]) -> bytes:
        for name, content in self._files(images, labels):
            member = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            member.create_system = 3  # Unix, on every system
            member.external_attr = 0o100644 << 16
            self._zip.writestr(member, content)
        return self._window.drain()

    def _end(self) -> bytes:
        self._zip.close()
        return self._window.drain()


class NpyArchive(Archive):
    """One uint8 array, shape (count, 128, 128), as `numpy.save` writes it. Holds no names and no labels."""

    media_type = "application/x-npy"
    suffix = ".npy"
    holds = frozenset()

    def _begin(self) -> None:
        array = _image_array("|u1", self.count)
        self._header = array.header
        self.content_length = array.size

    def head(self) -> bytes:
        """Return the header of the array."""
        return self._header

    def _encode(self, images: np.ndarray, labels: Sequence[Label]) -> bytes:
        _check_size(images)
        return images.tobytes()


class NpzArchive(Archive):
    """Arrays by name, as `numpy.savez` writes them: `images`, `index`, and one for every label.

    Labels that are images are arrays of their name; every parameter is one, such as `asked_density`, with
    nan for what does not exist. `seed`, `model`, `checkpoint_sha256` and `conditions` (as in a query) are
    single values. A table of cells has no length that is known beforehand, hence no place.
    """

    media_type = "application/x-npz"
    suffix = ".npz"
    holds = frozenset(LABELS) - {"cells"}

    def _begin(self) -> None:
        constants = {
            "seed": np.array(self.seed, "<u8"),
            "model": np.array(self.model),
            "checkpoint_sha256": np.array(self.checkpoint_sha256),
            "conditions": np.array(self.labelling.query),
        }
        growing = {"images": _image_array("|u1", self.count), "index": ArraySpec("<u8", (self.count,))}
        for name in self.labelling.image_labels:
            growing[name] = _image_array("<u2" if name == "instances" else "|u1", self.count)
        if "parameters" in self.labelling.labels:
            growing |= {name: ArraySpec("<f8", (self.count,)) for name in _PARAMETERS}
        self._writer = NpzWriter(constants, growing)
        self.content_length = self._writer.content_length

    def head(self) -> bytes:
        """Return the arrays of one value and the beginning of the images."""
        return self._writer.head()

    def close(self) -> None:
        """Remove the temporary files of the arrays that are held back."""
        self._writer.close()

    def _encode(self, images: np.ndarray, labels: Sequence[Label]) -> bytes:
        _check_size(images)
        first = self.start + self.added
        pieces = {"images": images, "index": np.arange(first, first + len(images), dtype="<u8")}
        for name in self.labelling.image_labels:
            pixels = [getattr(label, name) for label in labels]
            pieces[name] = np.array(pixels, "<u2" if name == "instances" else "|u1").reshape(images.shape)
        if "parameters" in self.labelling.labels:
            for name, (part, field) in _PARAMETERS.items():
                values = [getattr(getattr(label, part), field) for label in labels]
                pieces[name] = np.array(values, "<f8")  # None becomes nan
        return self._writer.add(pieces)

    def _behind(self) -> Iterator[bytes]:
        return self._writer.rest()


_PARAMETERS = {
    f"{part}_{field}": (part, field)
    for part, fields in {
        "asked": ("density", "cv", "hexagonality", "guttae", "age", "pixel_size"),
        "measured": ("cells", "density", "cv", "hexagonality", "guttae"),
    }.items()
    for field in fields
}
"""Where in a `Label` the parameters are, by the name of their array."""

FORMATS: dict[str, type[Archive]] = {
    "tar": TarArchive,
    "zip": ZipArchive,
    "npy": NpyArchive,
    "npz": NpzArchive,
}
"""Every archive format, by the name a caller asks for."""


def check_format(kind: str, labels: Sequence[str]) -> None:
    """Check that a format has a place for labels.

    Args:
        kind: a key of `FORMATS`.
        labels: names from `endotwin.samples.labelling.LABELS`.

    Raises:
        LabellingError: it has none; the message says which formats have.
    """
    missing = [name for name in labels if name not in FORMATS[kind].holds]
    if missing:
        able = [name for name, archive in FORMATS.items() if archive.holds.issuperset(labels)]
        raise LabellingError(
            "format", f"format {kind} has no place for {', '.join(missing)}; {', '.join(able)} have one"
        )


def _image_array(dtype: str, count: int) -> ArraySpec:
    return ArraySpec(dtype, (count, IMAGE_SIZE, IMAGE_SIZE))


def _check_size(images: np.ndarray) -> None:
    if images.shape[1:] != (IMAGE_SIZE, IMAGE_SIZE):
        raise ValueError(f"images must be {IMAGE_SIZE} x {IMAGE_SIZE}, got {images.shape[1:]}")


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
