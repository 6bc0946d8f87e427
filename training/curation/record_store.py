"""What is known of one file before anything is decided, kept in the work folder between runs."""

from __future__ import annotations

import hashlib
import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from endotwin.files import whole_file
from training.curation.clean_field import Box
from training.curation.duplicates import Features
from training.curation.measures import FieldMeasures, ImageMeasures
from training.curation.thresholds import Cutting

MEASURES_VERSION = 3
"""Raise it when a measure, the cutting or the features change: records of another version are not used."""


class ImageRecord(BaseModel):
    """What was measured of one file's contents.

    Attributes:
        digest: of the file's bytes, see `digest_of`.
        unreadable: why it could not be read; then everything below is None.
        pixels: digest of the size and the grey levels; equal for exact duplicates.
        width: of the image, in pixels.
        height: of the image, in pixels.
        whole: measures of the whole image.
        box: the clean field, in pixels of the image.
        found: share of the image by what was found beside or inside the field.
        field: measures of the clean field; None if there is hardly any.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    digest: str
    unreadable: str | None = None
    pixels: str | None = None
    width: int | None = None
    height: int | None = None
    whole: ImageMeasures | None = None
    box: Box | None = None
    found: dict[str, float] = {}
    field: FieldMeasures | None = None


@dataclass(frozen=True)
class RecordStore:
    """A folder with one file per record, its features and its thumbnail beside it."""

    folder: Path

    @classmethod
    def of(cls, work: Path, cutting: Cutting) -> RecordStore:
        """Return the part of a work folder that belongs to these settings of the cutting."""
        text = f"{MEASURES_VERSION} {cutting.model_dump_json()}"
        return cls(work / hashlib.sha256(text.encode()).hexdigest()[:12])

    def read(self, digest: str) -> ImageRecord | None:
        """Return a record, or None if it is not there or was written by another version."""
        try:
            with np.load(self._path(digest)) as arrays:
                return ImageRecord.model_validate_json(arrays["record"].tobytes())
        except (OSError, KeyError, ValueError, zipfile.BadZipFile, ValidationError):
            return None

    def write(self, record: ImageRecord, features: Features | None = None, thumbnail: bytes = b"") -> None:
        """Write a record, whole or not at all."""
        text = np.frombuffer(record.model_dump_json().encode(), dtype=np.uint8)
        picture = np.frombuffer(thumbnail, dtype=np.uint8)
        buffer = io.BytesIO()
        if features is None:
            np.savez(buffer, record=text, thumbnail=picture)
        else:
            np.savez(
                buffer,
                record=text,
                thumbnail=picture,
                size=np.array(features.size),
                points=features.points,
                descriptors=features.descriptors,
            )
        with whole_file(self._path(record.digest)) as file:
            file.write(buffer.getvalue())

    def features(self, digest: str) -> Features:
        """Return the features of a record that was written with them."""
        with np.load(self._path(digest)) as arrays:
            width, height = arrays["size"].tolist()
            return Features((width, height), arrays["points"], arrays["descriptors"])

    def thumbnail(self, digest: str) -> bytes:
        """Return the thumbnail of a record, a JPEG; empty for a file that could not be read."""
        with np.load(self._path(digest)) as arrays:
            return bytes(arrays["thumbnail"].tobytes())

    def _path(self, digest: str) -> Path:
        return self.folder / digest[:2] / f"{digest}.npz"


def digest_of(data: bytes) -> str:
    """Return the name of a file's contents: 16 hexadecimal digits of its SHA-256."""
    return hashlib.sha256(data).hexdigest()[:16]
