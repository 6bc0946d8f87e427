"""The box around the cells that an expert drew in an image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

AnnotatedBox = tuple[int, int, int, int]
"""Top, left, bottom, right in pixels; the last two are excluded."""


def read_annotated_box(image: Path) -> AnnotatedBox | None:
    """Return the smallest box that holds every closed cell that an expert drew in an image.

    Args:
        image: `…/images/NAME`; the instance map is looked for as `…/cells/NAME`, 0 outside of cells.

    Returns:
        None if there is no instance map, or no cell in it.

    Raises:
        OSError: the instance map cannot be read.
    """
    path = image.parent.parent / "cells" / image.name
    if not path.is_file():
        return None
    with Image.open(path) as cells:
        drawn = np.asarray(cells) > 0
    rows, columns = np.flatnonzero(drawn.any(axis=1)), np.flatnonzero(drawn.any(axis=0))
    if len(rows) == 0:
        return None
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1


def move_box(
    box: AnnotatedBox, offset: tuple[int, int], factor: float, shape: tuple[int, int], size: int
) -> AnnotatedBox | None:
    """Return a box after its image was cut and enlarged, widened to hold a crop.

    Args:
        box: in the image as it was.
        offset: rows and columns cut off above and on the left.
        factor: by which the rest was enlarged.
        shape: height and width of the image as it is now, each at least `size`.
        size: of a crop.

    Returns:
        The box in the image as it is now; None if nothing of it is left.
    """
    ends = []
    for axis in (0, 1):
        low = min(max((box[axis] - offset[axis]) * factor, 0.0), shape[axis])
        high = min(max((box[axis + 2] - offset[axis]) * factor, 0.0), shape[axis])
        if high <= low:
            return None
        lacking = max(0.0, size - (high - low))
        start = min(max(round(low - lacking / 2.0), 0), shape[axis] - size)
        ends.append((start, max(min(round(high + lacking / 2.0), shape[axis]), start + size)))
    (top, bottom), (left, right) = ends
    return top, left, bottom, right
