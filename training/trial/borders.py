"""Borders as lines and as bands, and the part of an image whose borders the expert drew."""

from __future__ import annotations

import numpy as np
from PIL import Image
from scipy import ndimage
from skimage.morphology import skeletonize

REACH = 3
"""Border pixels up to this far (chessboard distance) from a cell belong to it: some are drawn 3 wide."""

_SQUARE = np.ones((3, 3), dtype=bool)


def thin(borders: np.ndarray) -> np.ndarray:
    """Return the centre lines, one pixel wide, of borders of any width; bool (H, W) both."""
    return np.asarray(skeletonize(borders))  # type: ignore[no-untyped-call]


def thick(lines: np.ndarray) -> np.ndarray:
    """Return one-pixel lines dilated by 3 × 3: the band that a segmenter learns and is scored on."""
    return np.asarray(ndimage.binary_dilation(lines, _SQUARE))


def annotated_area(cells: np.ndarray, borders: np.ndarray) -> np.ndarray:
    """Return where the expert's drawing is complete: the closed cells and the borders around them.

    Left out are cells cut by the edge of the drawing, whose own inside the expert did not finish, and the
    ends of lines that stick out of it.

    Args:
        cells: bool (H, W), inside a closed cell.
        borders: bool (H, W), on a border, of any width up to 3.
    """
    near = ndimage.binary_dilation(cells, _SQUARE, iterations=REACH)
    return np.asarray(cells | (borders & near))


def resized_lines(lines: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return one-pixel lines at another size, again one pixel wide and without gaps.

    Args:
        lines: bool (H, W).
        height: of the result; from about a third to three times H.
        width: of the result; in about the same proportion.
    """
    bands = Image.fromarray(thick(lines).astype(np.uint8) * 255)
    grey = np.asarray(bands.resize((width, height), Image.Resampling.BILINEAR))
    return thin(grey > 127)
