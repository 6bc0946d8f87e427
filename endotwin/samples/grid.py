"""Many images in one picture, in rows and columns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image


def draw_grid(images: Sequence[np.ndarray] | np.ndarray, columns: int, *, gap: int = 2) -> Image.Image:
    """Lay images out in rows, in order, with white between and around them.

    A column is as wide as its widest image, a row as high as its highest; images are at the top left.

    Args:
        images: at least one; uint8, all of grey levels (H, W) or all of colours (H, W, 3).
        columns: images per row, at least 1; fewer images than that make a row of their own length.
        gap: pixels between images.

    Raises:
        ValueError: no image, no column, or an array of another kind.
    """
    kinds = {(str(image.dtype), image.shape[2:], image.ndim) for image in images}
    if columns < 1 or len(kinds) != 1 or not kinds <= {("uint8", (), 2), ("uint8", (3,), 3)}:
        found = ", ".join(sorted({f"{image.dtype} {image.shape}" for image in images})) or "none"
        raise ValueError(
            f"a grid needs uint8 images (H, W) or (H, W, 3) and a column, got {found}, {columns}"
        )
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    heights = [max(image.shape[0] for image in images[row * columns :][:columns]) for row in range(rows)]
    widths = [max(image.shape[1] for image in images[column::columns]) for column in range(columns)]
    tops = np.cumsum([0, *(height + gap for height in heights)])
    lefts = np.cumsum([0, *(width + gap for width in widths)])
    sheet = np.full((tops[-1] - gap, lefts[-1] - gap, *images[0].shape[2:]), 255, dtype=np.uint8)
    for place, image in enumerate(images):
        top, left = tops[place // columns], lefts[place % columns]
        sheet[top : top + image.shape[0], left : left + image.shape[1]] = image
    return Image.fromarray(sheet)
