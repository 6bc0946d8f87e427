"""A contact sheet on which a person sees whether images keep to their labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from endotwin.mosaic.labels import Label

COLUMNS = 8
_ZOOM = 2
_GAP = 2
_BORDER = (255, 70, 70)
_GUTTA = (60, 90, 255)
_GUTTA_SHARE = 0.35


def draw_label_sheet(images: np.ndarray, labels: Sequence[Label], columns: int = COLUMNS) -> Image.Image:
    """Lay out images in rows, below each row the same images with borders in red and guttae in blue.

    Args:
        images: uint8 grey levels (n, H, W), n at least 1.
        labels: one for each image.
        columns: images per row.
    """
    tiles = [_tiles(image, label) for image, label in zip(images, labels, strict=True)]
    height, width = (_ZOOM * size + _GAP for size in images.shape[1:])
    rows = -(-len(tiles) // columns)
    sheet = np.full((2 * rows * height - _GAP, min(columns, len(tiles)) * width - _GAP, 3), 255, np.uint8)
    for k, pair in enumerate(tiles):
        x = k % columns * width
        for below, tile in enumerate(pair):
            y = (2 * (k // columns) + below) * height
            sheet[y : y + tile.shape[0], x : x + tile.shape[1]] = tile
    return Image.fromarray(sheet)


def _tiles(image: np.ndarray, label: Label) -> tuple[np.ndarray, np.ndarray]:
    """Return the image and the image under its label, enlarged."""
    plain = np.repeat(image[..., None], 3, axis=2)
    marked = plain.astype(np.float64)
    marked[label.guttae > 0] += _GUTTA_SHARE * (np.array(_GUTTA) - marked[label.guttae > 0])
    marked[label.borders > 0] = _BORDER
    enlarged = [np.kron(tile, np.ones((_ZOOM, _ZOOM, 1))).astype(np.uint8) for tile in (plain, marked)]
    return enlarged[0], enlarged[1]
