"""Tar archives of samples."""

from __future__ import annotations

import tarfile

from endotwin.generator.batch import Batch
from endotwin.image_range import ImageRange
from endotwin.samples.archive import Archive
from endotwin.samples.sample import Provenance


def tar_end(size: int) -> bytes:
    """Return what comes behind the members, of so many bytes, as `tarfile` writes it.

    These are two empty blocks, and as many more as fill the last record.
    """
    end = 2 * tarfile.BLOCKSIZE
    return bytes(end + -(size + end) % tarfile.RECORDSIZE)


class TarArchive(Archive):
    """A USTAR file in the WebDataset layout: the files of each sample side by side, KEY.png first."""

    media_type = "application/x-tar"
    suffix = ".tar"

    def __init__(self, images: ImageRange, provenance: Provenance) -> None:
        """Begin an archive; see `Archive`."""
        super().__init__(images, provenance)
        self._size = 0

    def _encode(self, batch: Batch) -> bytes:
        parts = []
        for name, content in self._files(batch):
            member = tarfile.TarInfo(name)  # mtime, uid and gid are 0, user and group have no name
            member.size = len(content)
            parts += [member.tobuf(tarfile.USTAR_FORMAT), content, bytes(-len(content) % tarfile.BLOCKSIZE)]
        data = b"".join(parts)
        self._size += len(data)
        return data

    def _end(self) -> bytes:
        return tar_end(self._size)
