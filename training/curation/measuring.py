"""One file → its record: what a worker process does, and what it writes of a file that is kept."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from endotwin.files import whole_file
from training.curation.duplicates import Features, Match, compare, describe
from training.curation.errors import UnreadableError
from training.curation.field import Box, find_field, flatten
from training.curation.measures import measure_field, measure_whole, reduced
from training.curation.reading import Picture, decode, read_bytes
from training.curation.records import Record, Store, digest_of
from training.curation.thresholds import Cutting

THUMBNAIL_SIDE = 160

_SMALLEST_MEASURED = 32
"""Shorter side in pixels of a field that can be measured at all."""


@dataclass(frozen=True)
class Outcome:
    """What became of reading one file: the digest of its contents, or why there is none."""

    digest: str | None
    unreadable: str | None = None


def measure_file(path: Path, store: Store, cutting: Cutting) -> Outcome:
    """Measure a file and store its record, unless that was done before."""
    try:
        data = read_bytes(path)
    except UnreadableError as error:
        return Outcome(None, str(error))
    digest = digest_of(data)
    if store.read(digest) is not None:
        return Outcome(digest)
    try:
        picture = decode(data)
    except UnreadableError as error:
        store.write(Record(digest=digest, unreadable=str(error)))
        return Outcome(digest)
    record, features = measure_picture(digest, picture, cutting)
    store.write(record, features, thumbnail(picture.grey))
    return Outcome(digest)


def measure_picture(digest: str, picture: Picture, cutting: Cutting) -> tuple[Record, Features | None]:
    """Measure a decoded image; the features are None if it has hardly any clean field."""
    height, width = picture.grey.shape
    small, factor = reduced(picture)
    field = find_field(small, cutting)
    box = field.box if factor == 1 else field.box.scaled(factor, width, height)
    measured = min(field.box.width, field.box.height) >= _SMALLEST_MEASURED
    clean = np.ascontiguousarray(field.box.cut(small.grey))
    record = Record(
        digest=digest,
        pixels=hashlib.sha256(f"{width} {height} ".encode() + picture.grey.tobytes()).hexdigest()[:16],
        width=width,
        height=height,
        whole=measure_whole(small, min(width, height)),
        box=box,
        found=field.found,
        field=measure_field(clean) if measured else None,
    )
    return record, describe(clean) if measured else None


def compare_stored(pair: tuple[str, str], store: Store) -> Match:
    """Compare two images by the features in the store."""
    return compare(store.features(pair[0]), store.features(pair[1]))


@dataclass(frozen=True)
class Export:
    """A kept image to write: where it is read and written, what it must contain and what is cut out."""

    source: Path
    digest: str
    box: Box
    flat: bool
    destination: Path


def export(order: Export) -> str | None:
    """Write the field of an image as an 8-bit grey PNG without any metadata.

    Returns:
        None, or why it could not be written: the original has changed since it was measured.
    """
    try:
        data = read_bytes(order.source)
        if digest_of(data) != order.digest:
            return "the original has changed while the curation ran; run it again"
        grey = np.ascontiguousarray(order.box.cut(decode(data).grey))
    except UnreadableError as error:
        return f"the original cannot be read any more: {error}"
    if order.flat:
        grey = flatten(grey)
    with whole_file(order.destination) as file:
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
