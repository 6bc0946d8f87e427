"""Reading images of any kind as 8-bit grey levels."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

MAX_PIXELS = 64_000_000
"""A larger image is left out: no microscope makes one, and a small file can claim to be huge."""

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


@dataclass(frozen=True)
class LeftOut:
    """A file that could not be used, and why."""

    path: Path
    reason: str


def read_grey(path: Path) -> np.ndarray:
    """Read an image as 8-bit grey levels (height, width).

    Sixteen-bit and floating-point images are scaled by their own range, since their exports rarely use
    all of it; colour images are taken as colour exports of grey ones (luma).

    Raises:
        DataError: the file cannot be read as an image; the message names it.
    """
    if not path.is_file():  # a broken link, or a pipe, which would block
        raise DataError(f"{path}: not a file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise DataError(f"{path}: {image.width} × {image.height} pixels; at most {MAX_PIXELS}")
                image.load()
                if image.mode not in ("I", "F") and not image.mode.startswith("I;16"):
                    return np.asarray(image.convert("L"))
                values = np.asarray(image, dtype=np.float64)
    except DataError:
        raise
    except UnidentifiedImageError as error:
        raise DataError(f"{path}: not an image that Pillow reads") from error
    except Exception as error:  # Pillow's decoders raise errors of any class on broken files
        # The message of an error of the file system repeats the path; its reason does not.
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise DataError(f"{path}: {reason}") from error
    if not np.isfinite(values).all():
        raise DataError(f"{path}: holds values that are not finite")
    low, high = float(values.min()), float(values.max())
    if high == low:
        raise DataError(f"{path}: all pixels are {low:g}")
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
