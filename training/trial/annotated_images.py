"""Real images with the borders and cells that experts drew."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from endotwin.image_reading import DataError, read_grey
from training.trial.borders import annotated_area, resized_lines, thin

MARGIN = 32
"""Pixels kept around the annotated area: nothing further out is trained or scored on."""

SMALLEST = 64
"""Shortest side that can be mirrored up to a window of the segmenter."""


@dataclass(frozen=True)
class AnnotatedImage:
    """One image and its borders.

    Attributes:
        file: file name.
        pixels: uint8 grey levels (H, W), H and W at least 64.
        lines: bool (H, W), the expert's borders, one pixel wide.
        area: bool (H, W), where the expert's drawing is complete.
        cells: number of closed cells.
    """

    file: str
    pixels: np.ndarray
    lines: np.ndarray
    area: np.ndarray
    cells: int

    def __post_init__(self) -> None:
        require_size(self.file, self.pixels)

    @property
    def cell_area(self) -> float:
        """Mean area of a cell in pixels, its share of the borders included."""
        return float(self.area.sum()) / self.cells

    def digest(self) -> str:
        """Return a digest of everything in it but the name."""
        content = hashlib.sha256(f"{self.pixels.shape} {self.cells}".encode())
        for part in (self.pixels, self.lines, self.area):
            content.update(part.tobytes())
        return content.hexdigest()


def require_size(file: str, pixels: np.ndarray) -> None:
    """Check that an image can be mirrored up to a window of the segmenter.

    Raises:
        DataError: a side is below 64 pixels.
    """
    height, width = pixels.shape
    if min(height, width) < SMALLEST:
        raise DataError(
            f"{file}: {width} × {height} pixels around the annotated area; at least "
            f"{SMALLEST} × {SMALLEST} are needed"
        )


def is_annotated(folder: Path, file: str) -> bool:
    """Return whether `folder` holds borders and cells for the image `images/<file>`."""
    return (folder / "borders" / file).is_file() and (folder / "cells" / file).is_file()


def read_annotated(folder: Path, file: str) -> AnnotatedImage:
    """Read `images/<file>`, `borders/<file>` and `cells/<file>` of a folder.

    Borders are grey levels above 127. Cells are an instance map, 0 on borders, outside the annotated area
    and in cells cut by it. The image is trimmed to its annotated area and a margin of 32 pixels.

    Raises:
        DataError: a file cannot be read, sizes differ, there is no cell, or too little is left; the message
            names the file.
    """
    pixels = read_grey(folder / "images" / file)
    borders = read_grey(folder / "borders" / file) > 127
    cells = _read_cells(folder / "cells" / file)
    for name, part in (("borders", borders), ("cells", cells)):
        if part.shape != pixels.shape:
            raise DataError(
                f"{folder / name / file}: {part.shape[1]} × {part.shape[0]} pixels, but the image has "
                f"{pixels.shape[1]} × {pixels.shape[0]}"
            )
    if not cells.any():
        raise DataError(f"{folder / 'cells' / file}: holds no cell")
    area = annotated_area(cells > 0, borders)
    rows, columns = np.flatnonzero(area.any(axis=1)), np.flatnonzero(area.any(axis=0))
    inside = (
        slice(max(0, rows[0] - MARGIN), rows[-1] + 1 + MARGIN),
        slice(max(0, columns[0] - MARGIN), columns[-1] + 1 + MARGIN),
    )
    return AnnotatedImage(
        file,
        pixels[inside],
        thin(borders)[inside],
        area[inside],
        cells=len(np.unique(cells[cells > 0])),
    )


def resized(image: AnnotatedImage, factor: float) -> AnnotatedImage:
    """Return the image enlarged (above 1) or reduced (below 1), with its borders one pixel wide again."""
    height, width = (max(1, round(factor * size)) for size in image.pixels.shape)
    size = (width, height)
    area = Image.fromarray(image.area).resize(size, Image.Resampling.NEAREST)
    return AnnotatedImage(
        image.file,
        np.asarray(Image.fromarray(image.pixels).resize(size, Image.Resampling.BICUBIC)),
        resized_lines(image.lines, height, width),
        np.asarray(area),
        image.cells,
    )


def annotated_files(folder: Path) -> list[str]:
    """Return the names of the images of a folder that have borders and cells, sorted."""
    return sorted(path.name for path in (folder / "images").iterdir() if is_annotated(folder, path.name))


def _read_cells(path: Path) -> np.ndarray:
    """Read an instance map unscaled; `read_grey` would reduce sixteen bits to eight."""
    try:
        with Image.open(path) as image:
            cells = np.asarray(image)
    except OSError as error:
        raise DataError(f"{path}: cannot be read as an image ({error})") from error
    if cells.ndim != 2:
        raise DataError(f"{path}: an instance map has one channel, this image has {cells.shape[2]}")
    return cells
