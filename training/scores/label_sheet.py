"""A contact sheet of images beside their labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from endotwin.mosaic.labels import Label
from endotwin.samples.grid import draw_grid

COLUMNS = 8
_ZOOM = 2
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
    columns = min(columns, len(tiles))
    blank = np.full_like(tiles[0][0], 255)
    shown: list[np.ndarray] = []
    for start in range(0, len(tiles), columns):
        row = tiles[start : start + columns]
        missing = [blank] * (columns - len(row))
        shown += [*(plain for plain, _ in row), *missing, *(marked for _, marked in row), *missing]
    return draw_grid(shown, columns)


def _tiles(image: np.ndarray, label: Label) -> tuple[np.ndarray, np.ndarray]:
    """Return the image and the image under its label, enlarged."""
    plain = np.repeat(image[..., None], 3, axis=2)
    marked = plain.astype(np.float64)
    marked[label.guttae > 0] += _GUTTA_SHARE * (np.array(_GUTTA) - marked[label.guttae > 0])
    marked[label.borders > 0] = _BORDER
    return _enlarged(plain), _enlarged(marked.astype(np.uint8))


def _enlarged(tile: np.ndarray) -> np.ndarray:
    return tile.repeat(_ZOOM, axis=0).repeat(_ZOOM, axis=1)
