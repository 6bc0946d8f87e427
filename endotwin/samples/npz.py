"""An npz file in the making: one array goes out as it comes, the others wait in temporary files.

The members of an npz lie one after the other, so of several arrays that grow together only the first can be
sent on at once. All sizes are known beforehand, and so is that of the file.
"""

from __future__ import annotations

import gzip
import io
import math
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import IO, Any

import numpy as np

_PIECE = 1 << 20
"""Bytes that are sent at once of an array that waited."""

_IN_MEMORY = 1 << 16
"""Bytes of an array that may wait in memory."""


@dataclass(frozen=True)
class ArraySpec:
    """An array of known size: its dtype as numpy writes it, such as `|u1` or `<f8`, and its shape."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def header(self) -> bytes:
        """The bytes in front of the array in an npy file."""
        file = io.BytesIO()
        np.lib.format.write_array_header_1_0(
            file, {"descr": self.dtype, "fortran_order": False, "shape": self.shape}
        )
        return file.getvalue()

    @property
    def size(self) -> int:
        """Bytes of the npy file."""
        return len(self.header) + math.prod(self.shape) * np.dtype(self.dtype).itemsize


class NpzWriter:
    """Writes an npz of stored members, ZIP64 where it has to be. Not thread-safe.

    The file is `head()`, then what every `add(...)` returns, then every piece of `rest()`.

    Attributes:
        content_length: bytes of the whole file.
    """

    def __init__(self, constants: Mapping[str, np.ndarray], growing: Mapping[str, ArraySpec]) -> None:
        """Begin a file.

        Args:
            constants: arrays that are there already.
            growing: arrays that come piece by piece, along their first axis; the first of them is not held
                back.
        """
        specs = {name: ArraySpec(array.dtype.str, array.shape) for name, array in constants.items()}
        self._constants = constants
        self._growing = dict(growing)
        self.content_length = _zip_size({**specs, **growing})
        self._sink = _Sink()
        self._zip = zipfile.ZipFile(self._sink, "w", zipfile.ZIP_STORED)
        self._files = ExitStack()
        self._streamed, *waiting = growing
        self._member: IO[bytes] | None = None
        self._spools = {name: self._files.enter_context(_Spool()) for name in waiting}

    def head(self) -> bytes:
        """Return the bytes before the first piece: the constants among them."""
        for name, array in self._constants.items():
            with self._open(name, ArraySpec(array.dtype.str, array.shape)) as member:
                member.write(array.tobytes())
        self._member = self._open(self._streamed, self._growing[self._streamed])
        return self._sink.drain()

    def add(self, pieces: Mapping[str, np.ndarray]) -> bytes:
        """Add the next items of every array that grows, and return the bytes that they make now.

        Args:
            pieces: by name; of the dtype and of the shape that were announced, but for the first axis.
        """
        assert self._member is not None, "head() comes first"
        for name, spec in self._growing.items():
            piece = pieces[name]
            if piece.shape[1:] != spec.shape[1:]:
                raise ValueError(f"items of {name} must have shape {spec.shape[1:]}, got {piece.shape[1:]}")
            data = piece.astype(spec.dtype, casting="equiv").tobytes()
            if name == self._streamed:
                self._member.write(data)
            else:
                self._spools[name].write(data)
        return self._sink.drain()

    def rest(self) -> Iterator[bytes]:
        """Yield the bytes after the last piece."""
        assert self._member is not None, "head() comes first"
        self._member.close()
        for name, spool in self._spools.items():
            with self._open(name, self._growing[name]) as member:
                for data in spool.pieces():
                    member.write(data)
                    yield self._sink.drain()
            spool.close()
        self._zip.close()
        yield self._sink.drain()

    def close(self) -> None:
        """Remove the temporary files, whether or not the npz is complete; a second time nothing happens."""
        self._files.close()
        if self._member is not None:  # while it is open `zipfile` cannot be let go
            self._member.close()
        self._zip.close()

    def _open(self, name: str, spec: ArraySpec) -> IO[bytes]:
        member = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
        member.create_system = 3  # Unix, on every system
        member.external_attr = 0o100644 << 16
        # Always in the form for large members, as numpy does: one form, whatever the size.
        file: IO[bytes] = self._zip.open(member, "w", force_zip64=True)
        file.write(spec.header)
        return file


class _Spool:
    """Bytes that wait, compressed: labels shrink to a sixth. Beyond a few they are in a temporary file."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - closed by close()
        self._writer = gzip.GzipFile(fileobj=self._file, mode="wb", compresslevel=1, mtime=0)

    def __enter__(self) -> _Spool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def write(self, data: bytes) -> None:
        self._writer.write(data)

    def pieces(self) -> Iterator[bytes]:
        """Yield what was written, from the start; nothing can be written any more."""
        self._writer.close()
        self._file.seek(0)
        with gzip.GzipFile(fileobj=self._file, mode="rb") as reader:
            while data := reader.read(_PIECE):
                yield data

    def close(self) -> None:
        self._writer.close()
        self._file.close()


class _Sink(io.RawIOBase):
    """What `zipfile` writes to. It cannot seek, so sizes and checksums go behind the members' bytes."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        """Take what can be made bytes."""
        self._parts.append(bytes(data))
        return len(self._parts[-1])

    def drain(self) -> bytes:
        """Hand out what was written since the last call, and forget it."""
        data = b"".join(self._parts)
        self._parts.clear()
        return data


def _zip_size(members: Mapping[str, ArraySpec]) -> int:
    """Return the bytes of the zip file that `NpzWriter` makes of npy members (APPNOTE.TXT, 4.3)."""
    offset = directory = 0
    for name, spec in members.items():
        name_size = len(f"{name}.npy".encode())
        large = 2 * (spec.size > zipfile.ZIP64_LIMIT) + (offset > zipfile.ZIP64_LIMIT)
        directory += 46 + name_size + (4 + 8 * large if large else 0)
        offset += 30 + name_size + 20 + spec.size + 24  # header, its ZIP64 field, data, sizes and checksum
    end = 22 + (56 + 20 if max(offset, directory) > zipfile.ZIP64_LIMIT else 0)
    return offset + directory + end
