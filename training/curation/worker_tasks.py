"""What worker processes do: measure a file, compare two images, write a kept image."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from endotwin.files import whole_file
from endotwin.image_reading import UnreadableError
from training.curation.clean_field import Box, find_clean_field, flatten_illumination
from training.curation.duplicates import Features, Match, find_features, match_features
from training.curation.image_files import DecodedImage, decode, read_bytes
from training.curation.measures import measure_field, measure_whole, reduced
from training.curation.record_store import ImageRecord, RecordStore, digest_of
from training.curation.thresholds import Cutting

THUMBNAIL_SIDE = 160

_SMALLEST_MEASURED = 32
"""Shorter side in pixels of a field that can be measured at all."""


@dataclass(frozen=True)
class MeasuredFile:
    """The digest of a file's contents, or why it could not be read."""

    digest: str | None
    unreadable: str | None = None


def measure_file(path: Path, store: RecordStore, cutting: Cutting) -> MeasuredFile:
    """Measure a file and store its record, unless that was done before."""
    try:
        data = read_bytes(path)
    except UnreadableError as error:
        return MeasuredFile(None, str(error))
    digest = digest_of(data)
    if store.read(digest) is not None:
        return MeasuredFile(digest)
    try:
        image = decode(data)
    except UnreadableError as error:
        store.write(ImageRecord(digest=digest, unreadable=str(error)))
        return MeasuredFile(digest)
    record, features = measure_image(digest, image, cutting)
    store.write(record, features, thumbnail(image.grey))
    return MeasuredFile(digest)


def measure_image(
    digest: str, image: DecodedImage, cutting: Cutting
) -> tuple[ImageRecord, Features | None]:
    """Measure a decoded image; the features are None if it has hardly any clean field."""
    height, width = image.grey.shape
    small, factor = reduced(image)
    field = find_clean_field(small, cutting)
    box = field.box if factor == 1 else field.box.scaled(factor, width, height)
    measured = min(field.box.width, field.box.height) >= _SMALLEST_MEASURED
    clean = np.ascontiguousarray(field.box.cut(small.grey))
    record = ImageRecord(
        digest=digest,
        pixels=hashlib.sha256(f"{width} {height} ".encode() + image.grey.tobytes()).hexdigest()[:16],
        width=width,
        height=height,
        whole=measure_whole(small, min(width, height)),
        box=box,
        found=field.found,
        field=measure_field(clean, field.with_bands.cut(small.grey)) if measured else None,
    )
    return record, find_features(clean) if measured else None


def match_stored(pair: tuple[str, str], store: RecordStore) -> Match:
    """Compare two images by the features in the store."""
    return match_features(store.features(pair[0]), store.features(pair[1]))


@dataclass(frozen=True)
class ImageToWrite:
    """A kept image to write: where it is read and written, what it must contain and what is cut out."""

    source: Path
    digest: str
    box: Box
    flat: bool
    destination: Path


def write_image(image: ImageToWrite) -> str | None:
    """Write the field of an image as an 8-bit grey PNG without any metadata.

    Returns:
        None, or why it could not be written: the original has changed since it was measured.
    """
    try:
        data = read_bytes(image.source)
        if digest_of(data) != image.digest:
            return "the original has changed while the curation ran; run it again"
        grey = np.ascontiguousarray(image.box.cut(decode(data).grey))
    except UnreadableError as error:
        return f"the original cannot be read any more: {error}"
    if image.flat:
        grey = flatten_illumination(grey)
    with whole_file(image.destination) as file:
        Image.fromarray(grey).save(file, format="PNG")
    return None


def thumbnail(grey: np.ndarray) -> bytes:
    """Return a small JPEG of an image."""
    height, width = grey.shape
    factor = min(1.0, THUMBNAIL_SIDE / max(height, width))
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    buffer = io.BytesIO()
    Image.fromarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA)).save(
        buffer, format="JPEG", quality=75
    )
    return buffer.getvalue()
