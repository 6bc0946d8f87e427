"""Zip archives of samples."""

from __future__ import annotations

import io
import zipfile

from endotwin.generator.batch import Batch
from endotwin.image_range import ImageRange
from endotwin.samples.archive import Archive
from endotwin.samples.labelling import Labelling
from endotwin.samples.sample import Provenance

MAX_STREAMED_FILES = 65_535
"""Files of one zip of the service: `zipfile` keeps 370 bytes of each for the directory at its end, 24 MB.
It is also the most that a zip holds without ZIP64."""


def max_streamed_images(labelling: Labelling) -> int:
    """Return how many images, with their labels and records, one zip of the service may hold."""
    return MAX_STREAMED_FILES // (2 + len(labelling.image_labels))


class ZipArchive(Archive):
    """A zip file of stored members (a PNG is compressed already); ZIP64 where it has to be.

    Only the list of members is kept; see `MAX_STREAMED_FILES`.
    """

    media_type = "application/zip"
    suffix = ".zip"

    def __init__(self, images: ImageRange, provenance: Provenance) -> None:
        """Begin an archive; see `Archive`."""
        super().__init__(images, provenance)
        self._window = _Window()
        self._zip = zipfile.ZipFile(self._window, "w", zipfile.ZIP_STORED)

    def _encode(self, batch: Batch) -> bytes:
        for name, content in self._files(batch):
            member = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            member.create_system = 3  # Unix, on every system
            member.external_attr = 0o100644 << 16
            self._zip.writestr(member, content)
        return self._window.drain()

    def _end(self) -> bytes:
        self._zip.close()
        return self._window.drain()


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
        """Return what was written since the last call, and drop it."""
        data = self.getvalue()
        super().seek(0)
        self.truncate(0)
        self._sent += len(data)
        return data
