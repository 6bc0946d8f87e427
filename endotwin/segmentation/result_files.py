"""The files that `endotwin segment` writes: pictures of each image, one table of images, one of cells."""

from __future__ import annotations

import csv
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from PIL import Image

from endotwin.image_reading import DataError
from endotwin.samples.png import encode_png
from endotwin.segmentation.segmentation import Segmentation

IMAGE_COLUMNS = {
    "image": "name of the file",
    "width": "pixels",
    "height": "pixels",
    "cells": "whole cells, of which the numbers are",
    "cells_cut": "cells cut by the edge of the image, which do not count",
    "ecd_per_mm2": "endothelial cell density, cells per mm²; empty without --pixel-size",
    "cv": "coefficient of variation of the cells' areas",
    "hex": "share of cells with six neighbours, of those whose neighbours are all certain",
    "hex_cells": "number of these",
    "mean_area_px": "mean area of a cell, square pixels",
    "mean_area_um2": "the same in µm²; empty without --pixel-size",
    "evaluated_share": "share of the image in cells whose borders are certain",
    "evaluated_mm2": "the same in mm²; empty without --pixel-size",
    "scale": "size at which the network saw the image, relative to the image",
    "warnings": "what to know before using the numbers; sentences divided by semicolons",
}
"""Of `images.csv`, with their meaning."""

CELL_COLUMNS = {
    "image": "name of the file",
    "cell": "its number in NAME.instances.png",
    "x": "of its centroid, pixels from the middle of the leftmost ones",
    "y": "the same from the top",
    "area_px": "square pixels, half of its border included",
    "area_um2": "the same in µm²; empty without --pixel-size",
    "neighbours": "cells that it touches; empty where one is not certain or beyond the edge",
    "whole": "1, or 0 for a cell cut by the edge of the image",
    "certainty": "probability of a border around it, less that inside",
}
"""Of `cells.csv`."""

MOST_CELLS = 2**16 - 1
"""That a PNG of sixteen bits can number."""


class ResultFolder:
    """A folder that results go into, image by image. Close it when all are there."""

    def __init__(self, folder: Path) -> None:
        """Begin both tables."""
        self._folder = folder
        self._files = [
            (folder / name).open("w", encoding="utf-8", newline="") for name in ("images.csv", "cells.csv")
        ]
        self._images = csv.DictWriter(self._files[0], list(IMAGE_COLUMNS))
        self._cells = csv.DictWriter(self._files[1], list(CELL_COLUMNS))
        self._images.writeheader()
        self._cells.writeheader()

    def __enter__(self) -> ResultFolder:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close both tables."""
        for file in self._files:
            file.close()

    def add(self, file: str, stem: str, found: Segmentation) -> None:
        """Write what was found in an image.

        Args:
            file: its name in the tables.
            stem: of its pictures' names.
            found: what was found.

        Raises:
            DataError: it has more cells than a PNG can number.
        """
        if len(found.cells) > MOST_CELLS:
            raise DataError(f"{len(found.cells)} cells, more than a PNG can number: cut the image in parts")
        pictures = {"borders": found.borders, "instances": found.instances.astype(np.uint16)}
        for name, picture in pictures.items():
            (self._folder / f"{stem}.{name}.png").write_bytes(encode_png(picture))
        Image.fromarray(found.overlay).save(self._folder / f"{stem}.overlay.png")
        self._images.writerow(image_row(file, found))
        square = None if found.pixel_size is None else found.pixel_size**2
        for cell in found.cells:
            self._cells.writerow(
                {
                    "image": file,
                    "cell": cell.number,
                    "x": cell.x,
                    "y": cell.y,
                    "area_px": cell.area,
                    "area_um2": _rounded(square and cell.area * square, 1),
                    "neighbours": cell.neighbours,
                    "whole": int(cell.whole),
                    "certainty": cell.certainty,
                }
            )

    def add_unread(self, file: str, reason: str) -> None:
        """Note an image that could not be read."""
        self._images.writerow({"image": file, "warnings": f"not read: {reason}"})


def image_row(file: str, found: Segmentation) -> dict[str, Any]:
    """Return the line of `images.csv` of an image; None where a number is not known."""
    height, width = found.image.shape
    measured = found.morphometry
    square = None if found.pixel_size is None else found.pixel_size**2
    return {
        "image": file,
        "width": width,
        "height": height,
        "cells": measured.count,
        "cells_cut": len(found.cells) - measured.count,
        "ecd_per_mm2": _rounded(found.density, 0),
        "cv": _rounded(measured.cv, 3),
        "hex": _rounded(measured.hexagonality, 3),
        "hex_cells": found.inner_cells,
        "mean_area_px": _rounded(measured.mean_area, 1),
        "mean_area_um2": _rounded(square and measured.mean_area and measured.mean_area * square, 1),
        "evaluated_share": _rounded(found.evaluated, 3),
        "evaluated_mm2": _rounded(square and found.evaluated * width * height * square / 1e6, 4),
        "scale": _rounded(found.zoom, 3),
        "warnings": "; ".join(found.warnings),
    }


def _rounded(value: float | None, digits: int) -> float | int | None:
    return None if value is None else round(value, digits) if digits else round(value)
