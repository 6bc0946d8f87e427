"""Find image files below a folder and decode them: PNG, TIFF, BMP, JPEG and DICOM, within size limits."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from PIL import Image, UnidentifiedImageError
from pydicom.pixels.utils import pixel_array
from pydicom.uid import DeflatedExplicitVRLittleEndian

from endotwin.image_reading import MAX_PIXELS, UnreadableError, load_image, strict_decoding

MAX_BYTES = 1_000_000_000

_FORMATS = ("PNG", "TIFF", "BMP", "JPEG")
_DICOM_PREAMBLE = 128
_DICOM_META = 2_048
"""The transfer syntax stands before this byte."""

_CONTAINER_BITS = (8, 10, 12, 14, 16)


@dataclass(frozen=True)
class DecodedImage:
    """A decoded image.

    Attributes:
        grey: uint8 grey levels (height, width).
        chroma: uint8 (height, width), the largest minus the smallest of red, green and blue; None for an
            image without colour.
    """

    grey: np.ndarray
    chroma: np.ndarray | None


@dataclass(frozen=True)
class SkippedFolder:
    """A folder that was not searched, and why."""

    path: Path
    reason: str


def find_files(root: Path) -> tuple[list[Path], list[SkippedFolder]]:
    """Return all files below a folder, sorted, and the folders that were not searched.

    Links to folders are followed, but no folder is searched twice, so that a loop of links ends.
    """
    files: list[Path] = []
    skipped: list[SkippedFolder] = []
    seen: set[tuple[int, int]] = set()

    def note(error: OSError) -> None:
        skipped.append(SkippedFolder(Path(error.filename), f"folder: {error.strerror}"))

    for parent, folders, names in os.walk(root, onerror=note, followlinks=True):
        identity = _identity(Path(parent))
        if identity in seen:
            folders.clear()
            skipped.append(SkippedFolder(Path(parent), "folder: a link to one that is searched already"))
            continue
        seen.add(identity)
        # Real folders before links to them: what is skipped is the link.
        folders.sort(key=lambda name: (Path(parent, name).is_symlink(), name))
        files += [Path(parent, name) for name in names]
    return sorted(files), sorted(skipped, key=lambda item: item.path)


def read_bytes(path: Path) -> bytes:
    """Read a whole file, never a pipe or a device, which would be waited for without end.

    Raises:
        UnreadableError: it is no regular file, may not be read, is empty or is too large.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise UnreadableError("not a regular file")
        if status.st_size > MAX_BYTES:
            raise UnreadableError(f"{status.st_size:,} bytes; at most {MAX_BYTES:,}")
        data = path.read_bytes()
    except OSError as error:
        raise UnreadableError(error.strerror or "cannot be opened") from error
    if not data:
        raise UnreadableError("the file is empty")
    return data


def decode(data: bytes) -> DecodedImage:
    """Decode the bytes of a file.

    Levels keep their relation to the full scale, so that a dark image stays dark: stored bits for DICOM,
    and for other files of more than 8 bits the smallest of 8, 10, 12, 14 and 16 bits that holds the largest
    value. Floating-point images are taken as 0 to 1 if they fit, else scaled to their largest value.
    Display windows of DICOM files are not applied: they clip. MONOCHROME1 is inverted.

    Raises:
        UnreadableError: no image, an image of another format, several images in one file, a damaged one, or
            one of more than `MAX_PIXELS`.
    """
    if data[_DICOM_PREAMBLE : _DICOM_PREAMBLE + 4] == b"DICM":
        with strict_decoding():
            return _decode_dicom(data)
    return _decode_picture(data)


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino


def _decode_picture(data: bytes) -> DecodedImage:
    try:
        image = load_image(BytesIO(data), formats=_FORMATS)
        if image.mode in ("I", "F") or image.mode.startswith("I;16"):
            return DecodedImage(_to_eight_bits(np.asarray(image)), None)
        if image.mode in ("L", "1", "LA"):
            return DecodedImage(np.asarray(image.convert("L")), None)
        return _from_colour(image.convert("RGB"))
    except UnreadableError:
        raise
    except UnidentifiedImageError as error:
        raise UnreadableError("not a PNG, TIFF, BMP, JPEG or DICOM image") from error
    except Image.DecompressionBombError as error:
        raise UnreadableError(f"claims to have more than {MAX_PIXELS:,} pixels") from error
    except Exception as error:  # Pillow's decoders raise many types for a broken file
        raise UnreadableError(f"damaged image: {error or type(error).__name__}") from error


def _decode_dicom(data: bytes) -> DecodedImage:
    try:
        if DeflatedExplicitVRLittleEndian.encode() in data[:_DICOM_META]:
            # It would be inflated, to whatever size, before anything in it can be checked.
            raise UnreadableError("DICOM with a deflated data set, which is not read")
        dataset = pydicom.dcmread(BytesIO(data))
        _check_dicom(dataset)
        values = pixel_array(dataset)
    except UnreadableError:
        raise
    except Exception as error:
        # pydicom's messages can quote values of the header, so the type alone is reported.
        raise UnreadableError(f"DICOM that cannot be decoded ({type(error).__name__})") from error
    if values.ndim == 3:
        return _from_colour(Image.fromarray(_scaled(values, int(dataset.BitsStored))))
    if int(dataset.PixelRepresentation) == 1:
        values = values.astype(np.int32) + (1 << (int(dataset.BitsStored) - 1))
    grey = _scaled(values, int(dataset.BitsStored))
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        grey = 255 - grey
    return DecodedImage(grey, None)


def _check_dicom(dataset: Any) -> None:
    if "PixelData" not in dataset:
        raise UnreadableError("DICOM without an image")
    if int(dataset.get("NumberOfFrames", 1) or 1) > 1:
        raise UnreadableError("DICOM with several frames; export them as one file each")
    _check_size(int(dataset.Columns), int(dataset.Rows))
    if dataset.PhotometricInterpretation == "PALETTE COLOR":
        raise UnreadableError("DICOM with a colour palette, which is not read")
    if not 1 <= int(dataset.BitsStored) <= 16:
        raise UnreadableError(f"DICOM of {int(dataset.BitsStored)} bits; at most 16")


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise UnreadableError(f"{width} × {height} pixels; at most {MAX_PIXELS:,} in all")
    if width * height == 0:
        raise UnreadableError("no pixels")


def _from_colour(image: Image.Image) -> DecodedImage:
    channels = np.asarray(image)
    chroma = channels.max(axis=2) - channels.min(axis=2)
    return DecodedImage(np.asarray(image.convert("L")), chroma if chroma.any() else None)


def _to_eight_bits(values: np.ndarray) -> np.ndarray:
    if not np.isfinite(values).all():
        raise UnreadableError("holds values that are not finite")
    largest = float(values.max())
    if values.dtype.kind == "f":
        full = 1.0 if largest <= 1.0 else 255.0 if largest <= 255.0 else largest
        return np.round(np.clip(values / full, 0, 1) * 255).astype(np.uint8)
    for bits in _CONTAINER_BITS:
        if largest < 1 << bits:
            return _scaled(values, bits)
    raise UnreadableError(f"holds values up to {largest:g}; at most 16 bits are read")


def _scaled(values: np.ndarray, bits: int) -> np.ndarray:
    if bits == 8:
        levels = np.clip(values, 0, 255).astype(np.uint8)
    else:
        full = (1 << bits) - 1
        levels = np.round(np.clip(values, 0, full) * (255.0 / full)).astype(np.uint8)
    return np.asarray(levels)
