"""Images to segment: which files are meant, and their grey levels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from endotwin.image_reading import DataError, find_image_files, grey_levels, open_image, spread_levels

SMALLEST_SIDE = 32
"""A smaller image shows no mosaic."""

_COLOURED = 0.06
"""Mean saturation from which on an image is no colour export of a grey one."""


def found_images(paths: Sequence[Path]) -> list[Path]:
    """Return image files, and those of folders, in order.

    Raises:
        DataError: one is not there, a folder holds none, or two would have results of one name.
    """
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside, _ = find_image_files(path)
            if not inside:
                raise DataError(f"{path}: holds no images")
            files += inside
        elif path.is_file():
            files.append(path)
        else:
            raise DataError(f"{path}: no such file or folder")
    known: dict[str, Path] = {}
    for file in files:
        other = known.setdefault(file.stem, file)
        if other is not file:
            raise DataError(
                f"{other} and {file}: results of both would be named {file.stem}; segment one after the "
                "other"
            )
    return files


def read_image(path: Path) -> tuple[np.ndarray, tuple[str, ...]]:
    """Read the grey levels of an image, uint8 (H, W), and what whoever uses the result has to know.

    Raises:
        DataError: it cannot be read, or is too small.
    """
    image = open_image(path)
    grey = grey_levels(image, path)
    if min(grey.shape) < SMALLEST_SIDE:
        raise DataError(
            f"{path}: {image.width} × {image.height} pixels; at least {SMALLEST_SIDE} × {SMALLEST_SIDE}"
        )
    coloured = image.mode not in ("1", "L", "LA", "I", "F") and not image.mode.startswith("I;16")
    if coloured and _saturation(image) > _COLOURED:
        return grey, ("a colour photograph: only its brightness was used",)
    return grey, ()


def grey_image(image: np.ndarray) -> np.ndarray:
    """Return an array of grey levels as uint8 (H, W); other numbers are scaled by their own range.

    Raises:
        ValueError: it has not two dimensions, is too small, or holds no finite numbers that differ.
    """
    image = np.asarray(image)
    if image.ndim != 2 or min(image.shape) < SMALLEST_SIDE:
        raise ValueError(
            f"an image must be grey levels (height, width), each {SMALLEST_SIDE} or more, got {image.shape}"
        )
    return image if image.dtype == np.uint8 else spread_levels(image)


def _saturation(image: Image.Image) -> float:
    """Return the mean difference of the strongest and the weakest colour, from 0 to 1."""
    colours = np.asarray(image.convert("RGB"), dtype=np.float32)
    return float((colours.max(axis=2) - colours.min(axis=2)).mean()) / 255
