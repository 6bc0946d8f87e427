"""A contact sheet: many images on one, with labels over them if wanted; of all that Endotwin writes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

from endotwin.samples.grid import draw_grid
from endotwin.samples.labelling import IMAGE_LABELS
from endotwin.samples.layouts.reading import read_layout
from endotwin.samples.overlay import draw_labels
from endotwin.samples.reading import UNREADABLE, Picture, read_samples

_WIDTH_TO_HEIGHT = 1.25


class ContactSheetError(Exception):
    """A set of images that no sheet can be made of; the message names it and says why."""


def draw_contact_sheet(images: list[np.ndarray]) -> Image.Image:
    """Draw images row by row on a sheet somewhat wider than high, a thin white line between them.

    Args:
        images: at least one; uint8 grey levels (H, W) or colours (H, W, 3), all of one size.

    Raises:
        ValueError: no image, or images of different sizes.
    """
    sizes = {image.shape for image in images}
    if len(sizes) != 1:
        raise ValueError(f"a sheet needs images of one size, got {sorted(sizes) or 'none'}")
    height, width = sizes.pop()[:2]
    columns = math.ceil(math.sqrt(len(images) * _WIDTH_TO_HEIGHT * height / width))
    return draw_grid(images, columns)


def read_images(path: Path, limit: int) -> list[np.ndarray]:
    """Read the first images of everything that Endotwin writes, uint8 (H, W); see `read_pictures`."""
    return [picture.image for picture in read_pictures(path, limit)]


def read_pictures(path: Path, limit: int) -> list[Picture]:
    """Read the first images of a file, folder, set or layout, with their labels.

    Raises:
        ContactSheetError: nothing there, no images in it, or a file that is damaged.
    """
    if not path.exists():
        raise ContactSheetError(f"{path}: no such file or folder")
    try:
        layout = read_layout(path) if path.is_dir() else None
        pictures = list(islice(read_samples(path) if layout is None else layout, limit))
    except UNREADABLE as error:
        raise ContactSheetError(f"{path}: cannot be read: {error}") from error
    if not pictures:
        raise ContactSheetError(f"{path}: holds no PNG images")
    return pictures


def draw_pictures(path: Path, pictures: Sequence[Picture], labels: Sequence[str]) -> list[np.ndarray]:
    """Return images with labels over them, uint8 (H, W, 3); without labels as they are, (H, W).

    Args:
        path: where they were read, for messages.
        pictures: as read there.
        labels: names from `IMAGE_LABELS`, or none.

    Raises:
        ContactSheetError: a label is missing or damaged.
    """
    if not labels:
        return [picture.image for picture in pictures]
    for picture in pictures:
        missing = [name for name in labels if name not in picture.labels]
        if missing:
            there = ", ".join(name for name in IMAGE_LABELS if name in picture.labels) or "none"
            raise ContactSheetError(f"{path}: has no label {', '.join(missing)}; it has {there}")
    try:
        return [
            draw_labels(picture.image, {name: picture.labels[name]() for name in labels})
            for picture in pictures
        ]
    except UNREADABLE as error:
        raise ContactSheetError(f"{path}: a label cannot be read: {error}") from error
