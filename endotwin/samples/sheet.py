"""A contact sheet: many images on one. Reads every format that `endotwin generate` writes."""

from __future__ import annotations

import io
import math
import tarfile
import zipfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image

from endotwin.samples.grid import draw_grid
from endotwin.samples.sample import is_label_file

_WIDTH_TO_HEIGHT = 1.25


class ContactSheetError(Exception):
    """A set of images that no sheet can be made of; the message names it and says why."""


def draw_contact_sheet(images: list[np.ndarray]) -> Image.Image:
    """Draw images row by row on a sheet somewhat wider than high, a thin white line between them.

    Args:
        images: at least one; uint8 grey levels (H, W), all of one size.

    Raises:
        ValueError: no image, or images of different sizes.
    """
    sizes = {image.shape for image in images}
    if len(sizes) != 1:
        raise ValueError(f"a sheet needs images of one size, got {sorted(sizes) or 'none'}")
    height, width = sizes.pop()
    columns = math.ceil(math.sqrt(len(images) * _WIDTH_TO_HEIGHT * height / width))
    return draw_grid(images, columns)


def read_images(path: Path, limit: int) -> list[np.ndarray]:
    """Read the first images of a folder of PNG files, or of a tar, zip, npy or npz file, as uint8 (H, W).

    A folder is read in order of names, an archive in its own order. Labels are passed over.

    Raises:
        ContactSheetError: nothing there, no images in it, or a file that is damaged.
    """
    if not path.exists():
        raise ContactSheetError(f"{path}: no such file or folder")
    try:
        images = list(islice(_images(path), limit))
    except (OSError, EOFError, ValueError, tarfile.TarError, zipfile.BadZipFile) as error:
        raise ContactSheetError(f"{path}: cannot be read: {error}") from error
    if not images:
        raise ContactSheetError(f"{path}: holds no PNG images")
    return images


def _images(path: Path) -> Iterator[np.ndarray]:
    if path.suffix == ".npy" and path.is_file():
        with path.open("rb") as file:
            yield from _array(file)
        return
    if path.suffix == ".npz" and path.is_file():
        with zipfile.ZipFile(path) as archive:
            if "images.npy" not in archive.namelist():
                raise ValueError("it holds no array named images")
            with archive.open("images.npy") as file:
                yield from _array(file)
        return
    for name, content in _png_files(path):
        if is_label_file(name):
            continue
        try:
            with Image.open(io.BytesIO(content)) as image:
                yield np.asarray(image.convert("L"))
        except (OSError, SyntaxError) as error:  # Pillow raises SyntaxError for a broken PNG
            raise ValueError(f"{name} is damaged or not an image") from error


def _array(file: IO[bytes]) -> Iterator[np.ndarray]:
    """Yield the images of an npy file one by one: an array in a zip cannot be mapped into memory."""
    if np.lib.format.read_magic(file) != (1, 0):
        raise ValueError("an array in another version of the format than 1.0")
    shape, by_columns, dtype = np.lib.format.read_array_header_1_0(file)
    if len(shape) != 3 or dtype != np.uint8 or by_columns:
        raise ValueError(f"an array of {dtype} {shape}, not of uint8 (n, height, width)")
    for _ in range(shape[0]):
        pixels = file.read(shape[1] * shape[2])
        yield np.frombuffer(pixels, np.uint8).reshape(shape[1:])


def _png_files(path: Path) -> Iterator[tuple[str, bytes]]:
    if path.is_dir():
        for image in sorted(path.glob("*.png")):
            yield image.name, image.read_bytes()
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if name.endswith(".png"):
                    yield name, archive.read(name)
    else:
        with tarfile.open(path) as tar:
            for member in tar:
                file = tar.extractfile(member) if member.name.endswith(".png") else None
                if file is not None:
                    yield member.name, file.read()
