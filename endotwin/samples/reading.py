"""Read images and their labels back from everything that Endotwin writes, and from folders of images."""

from __future__ import annotations

import io
import re
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image

from endotwin.samples.labelling import IMAGE_LABELS

UNREADABLE = (OSError, EOFError, KeyError, ValueError, tarfile.TarError, zipfile.BadZipFile)
"""What reading raises if a file is damaged or is not what its name says."""

_LABELLED = re.compile(rf"(.*?)(?:\.({'|'.join(IMAGE_LABELS)}))?\.png")
_SHARDS = ("train/*.tar", "train/*.zip", "validation/*.tar", "validation/*.zip")


@dataclass(frozen=True)
class Picture:
    """An image and the labels that are beside it.

    Attributes:
        image: uint8 grey levels (H, W).
        labels: for each label that is an image and is there what reads it, as `Label` describes it. Where
            only outlines of cells are kept, cells are numbered in their order.
        validation: whether it is of the set's validation part.
    """

    image: np.ndarray
    labels: Mapping[str, Callable[[], np.ndarray]] = field(default_factory=dict)
    validation: bool = False


def read_samples(path: Path) -> Iterator[Picture]:
    """Yield the pictures of a file that `endotwin generate` writes, a folder of PNG files, or a set.

    A folder is read in order of names, an archive in its own order, a set in that of its shards, those for
    training first.

    Raises:
        one of UNREADABLE: something there is damaged.
    """
    if path.is_dir():
        shards = [shard for pattern in _SHARDS for shard in sorted(path.glob(pattern))]
        if shards:
            for shard in shards:
                yield from _group(_archive_files(shard), validation=shard.parent.name == "validation")
        else:
            names = sorted(path.glob("*.png"), key=lambda file: _split(file.name))
            yield from _group((file.name, file.read_bytes()) for file in names)
    elif path.suffix == ".npy":
        with path.open("rb") as file:
            yield from map(Picture, _arrays(file, np.uint8))
    elif path.suffix == ".npz":
        yield from _read_npz(path)
    else:
        yield from _group(_archive_files(path))


def read_pixels(content: bytes, name: str) -> np.ndarray:
    """Return the pixels of a PNG file, as they are stored.

    Args:
        content: of the file.
        name: the same, for messages.

    Raises:
        ValueError: it is damaged or no image.
    """
    try:
        with Image.open(io.BytesIO(content)) as image:
            return np.asarray(image)
    except (OSError, SyntaxError) as error:  # Pillow raises SyntaxError for a broken PNG
        raise ValueError(f"{name} is damaged or not an image") from error


def read_grey(content: bytes, name: str) -> np.ndarray:
    """Return the grey levels of an image file, uint8 (H, W).

    Args:
        content: of the file.
        name: the same, for messages.

    Raises:
        ValueError: it is damaged or no image.
    """
    pixels = read_pixels(content, name)
    return pixels if pixels.dtype == np.uint8 and pixels.ndim == 2 else _grey(content)


def _grey(content: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image.convert("L"))


def _split(name: str) -> tuple[str, str]:
    """Return the key of a PNG file and the label that it is, or "" for the image."""
    match = _LABELLED.fullmatch(name)
    return (match[1], match[2] or "") if match else (name, "")


def _group(files: Iterator[tuple[str, bytes]], *, validation: bool = False) -> Iterator[Picture]:
    """Yield a picture for each image among PNG files in which those of one key are neighbours."""
    for _, group in groupby(files, lambda entry: _split(entry[0])[0]):
        found = {_split(name)[1]: (content, name) for name, content in group}
        if "" in found:
            image = read_grey(*found.pop(""))
            labels = {label: partial(read_pixels, *entry) for label, entry in found.items()}
            yield Picture(image, labels, validation)


def _archive_files(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of the PNG files in a tar or zip."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if name.endswith(".png"):
                    yield name, archive.read(name)
        return
    with tarfile.open(path) as tar:
        for member in tar:
            file = tar.extractfile(member) if member.name.endswith(".png") else None
            if file is not None:
                yield member.name, file.read()


def _read_npz(path: Path) -> Iterator[Picture]:
    with zipfile.ZipFile(path) as archive, ExitStack() as files:
        if "images.npy" not in archive.namelist():
            raise ValueError("it holds no array named images")
        labels = [label for label in IMAGE_LABELS if f"{label}.npy" in archive.namelist()]

        def arrays(name: str) -> Iterator[np.ndarray]:
            file = files.enter_context(archive.open(f"{name}.npy"))
            return _arrays(file, np.uint16 if name == "instances" else np.uint8)

        for image, *rest in zip(arrays("images"), *map(arrays, labels), strict=True):
            yield Picture(
                image, {label: partial(np.asarray, one) for label, one in zip(labels, rest, strict=True)}
            )


def _arrays(file: IO[bytes], kind: type[np.unsignedinteger]) -> Iterator[np.ndarray]:
    """Yield the images of an npy file one by one: an array in a zip cannot be mapped into memory."""
    if np.lib.format.read_magic(file) != (1, 0):
        raise ValueError("an array in another version of the format than 1.0")
    shape, by_columns, dtype = np.lib.format.read_array_header_1_0(file)
    if len(shape) != 3 or dtype != kind or by_columns:
        wanted = np.dtype(kind)
        raise ValueError(f"an array of {dtype} {shape}, not of {wanted} (n, height, width)")
    for _ in range(shape[0]):
        pixels = file.read(shape[1] * shape[2] * dtype.itemsize)
        yield np.frombuffer(pixels, dtype).reshape(shape[1:])
