"""Reading images of any kind as 8-bit grey levels."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

MAX_PIXELS = 64_000_000
"""A larger image is left out: no microscope makes one, and a small file can claim to be huge."""

_WITH_PREVIEWS = ("JPEG", "MPO")
"""Formats of cameras, whose further images are previews of the first."""

_FOREIGN = {
    ".json",
    ".txt",
    ".md",
    ".csv",
    ".xml",
    ".html",
    ".py",
    ".yaml",
    ".yml",
    ".db",
    ".ini",
}


class DataError(Exception):
    """Images cannot be used; the message names the file or folder and the reason."""


class UnreadableError(Exception):
    """A file is no usable image.

    The message never repeats a path, a name or a header: it goes into files that leave the clinic.
    """


@dataclass(frozen=True)
class LeftOut:
    """A file that could not be used, and why."""

    path: Path
    reason: str


def load_image(source: Path | BinaryIO, formats: tuple[str, ...] | None = None) -> Image.Image:
    """Decode a whole image with Pillow, turned as its camera says: the one way in which all commands do.

    Args:
        source: a file, by path or open.
        formats: the only ones that are read; None: all that Pillow reads.

    Raises:
        UnreadableError: it has more than `MAX_PIXELS`, or the file holds several images, any of which
            may be meant. A preview in a JPEG does not count.
        Exception: Pillow's decoders raise errors of any class on broken files.
    """
    with strict_decoding(), Image.open(source, formats=formats) as image:
        if image.width * image.height > MAX_PIXELS:
            raise UnreadableError(f"{image.width} × {image.height} pixels; at most {MAX_PIXELS}")
        if image.format not in _WITH_PREVIEWS and getattr(image, "n_frames", 1) > 1:
            raise UnreadableError("holds several images in one file; export them as one file each")
        image.load()
        return ImageOps.exif_transpose(image)


@contextmanager
def strict_decoding() -> Iterator[None]:
    """Let Pillow refuse images above `MAX_PIXELS`, also those inside DICOM files, without warnings.

    A truncated file is an error, never half an image. The settings are Pillow's, of the whole process; they
    are restored.
    """
    limit, truncated = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES
    Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = MAX_PIXELS, False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = limit, truncated


def read_grey(path: Path) -> np.ndarray:
    """Read an image as 8-bit grey levels (height, width), see `grey_levels`.

    Raises:
        DataError: the file cannot be read as an image (see `load_image`); the message names it.
    """
    return grey_levels(open_image(path), path)


def open_image(path: Path) -> Image.Image:
    """Read an image as it is.

    Raises:
        DataError: the file cannot be read as an image (see `load_image`); the message names it.
    """
    if not path.is_file():  # a broken link, or a pipe, which would block
        raise DataError(f"{path}: not a file")
    try:
        return load_image(path)
    except UnidentifiedImageError as error:
        raise DataError(f"{path}: not an image that Pillow reads") from error
    except Exception as error:  # Pillow's decoders raise errors of any class on broken files
        # The message of an error of the file system repeats the path; its reason does not.
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise DataError(f"{path}: {reason}") from error


def grey_levels(image: Image.Image, path: Path) -> np.ndarray:
    """Return the 8-bit grey levels (height, width) of an image.

    Sixteen-bit and floating-point images are scaled by their own range, since their exports rarely use
    all of it; colour images are taken as colour exports of grey ones (luma).

    Args:
        image: whole.
        path: where it was read, for messages.

    Raises:
        DataError: it holds one value only, or one that is not finite, of more than 8 bits.
    """
    if image.mode not in ("I", "F") and not image.mode.startswith("I;16"):
        return np.asarray(image.convert("L"))
    try:
        return spread_levels(np.asarray(image))
    except ValueError as error:
        raise DataError(f"{path}: {error}") from error


def spread_levels(values: np.ndarray) -> np.ndarray:
    """Return numbers of any type and range as uint8: the least is 0, the greatest 255.

    Raises:
        ValueError: one is not finite, or all are the same.
    """
    values = values.astype(np.float64)
    if not np.isfinite(values).all():
        raise ValueError("holds values that are not finite")
    low, high = float(values.min()), float(values.max())
    if high == low:
        raise ValueError(f"all pixels are {low:g}")
    return np.round((values - low) * (255.0 / (high - low))).astype(np.uint8)


def find_image_files(root: Path) -> tuple[list[Path], list[LeftOut]]:
    """Return the files below a folder that may be images, sorted, and the folders that cannot be read.

    Hidden files and folders, and files of other types such as .txt or .json, are skipped.
    """
    closed: list[LeftOut] = []

    def note(error: OSError) -> None:
        closed.append(LeftOut(Path(error.filename), f"{error.filename}: {error.strerror}"))

    files: list[Path] = []
    for parent, folders, names in os.walk(root, onerror=note):
        folders[:] = [name for name in folders if not name.startswith(".")]
        files += [
            file
            for name in names
            if not name.startswith(".") and (file := Path(parent, name)).suffix.lower() not in _FOREIGN
        ]
    return sorted(files), closed
