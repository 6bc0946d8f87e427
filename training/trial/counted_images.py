"""Real images in which a reader marked the centre of every cell that was counted."""

from __future__ import annotations

import csv
import hashlib
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage
from scipy.spatial import ConvexHull, QhullError, cKDTree
from skimage.draw import polygon2mask

from endotwin.image_reading import DataError, read_grey
from training.trial.annotated_images import MARGIN, require_size
from training.trial.cell_matches import density_within

FEWEST_CENTRES = 20
"""An image with fewer is not scored: too few cells were counted to tell a density."""


@dataclass(frozen=True)
class CountedImage:
    """One image and the centres of its cells.

    Attributes:
        file: file name.
        pixels: uint8 grey levels (H, W), H and W at least 64.
        centres: float64 (cells, 2), x and y in pixels; (0, 0) is the middle of the top left pixel.
    """

    file: str
    pixels: np.ndarray
    centres: np.ndarray

    def __post_init__(self) -> None:
        require_size(self.file, self.pixels)

    @property
    def hull(self) -> np.ndarray:
        """Return the region that was read: the convex hull of the centres, bool (H, W)."""
        try:
            corners = self.centres[ConvexHull(self.centres).vertices]
        except QhullError as error:
            raise DataError(f"{self.file}: its centres lie on one line") from error
        return np.asarray(
            polygon2mask(self.pixels.shape, corners[:, ::-1])  # type: ignore[no-untyped-call]
        )

    @property
    def places(self) -> tuple[np.ndarray, np.ndarray]:
        """Return row and column of the pixel that holds each centre, int (cells,) each."""
        height, width = self.pixels.shape
        columns, rows = np.rint(self.centres).astype(np.int64).T
        return rows.clip(0, height - 1), columns.clip(0, width - 1)

    @property
    def inner_region(self) -> np.ndarray:
        """Return the hull without the outermost cells, bool (H, W): one cell spacing away from its edge.

        In it, the neighbours of nearly every cell were counted, so that its extent is known.
        """
        return np.asarray(ndimage.distance_transform_edt(np.pad(self.hull, 1))[1:-1, 1:-1] > self.spacing)

    @property
    def spacing(self) -> float:
        """Median distance of a centre to the nearest other one, pixels."""
        return float(np.median(cKDTree(self.centres).query(self.centres, k=2)[0][:, 1]))

    @property
    def territories(self) -> np.ndarray:
        """Return the number, from 1, of the centre that is nearest to each pixel, int (H, W)."""
        rows, columns = np.indices(self.pixels.shape)
        places = np.stack([columns, rows], axis=-1)
        return np.asarray(cKDTree(self.centres).query(places)[1]) + 1

    @property
    def cell_area(self) -> float:
        """Mean area of a cell, square pixels: one over the density of the territories in the inner region.

        Where that is empty it is the area of a hexagon whose neighbours are as near as the cells'.
        """
        region = self.inner_region
        if not region.any():
            return math.sqrt(0.75) * self.spacing**2
        return 1 / density_within(self.territories, region)

    def digest(self) -> str:
        """Return a digest of everything in it but the name."""
        content = hashlib.sha256(str(self.pixels.shape).encode())
        content.update(self.pixels.tobytes())
        content.update(self.centres.astype("<f8").tobytes())
        return content.hexdigest()


def read_counted(folder: Path, file: str) -> CountedImage | None:
    """Read `images/<file>` and `centres/<stem>.csv` of a folder, trimmed to the hull and 32 pixels around.

    A centre beyond the image's edge, as a slip of the hand makes it, is left out.

    Returns:
        None with fewer than 20 centres.

    Raises:
        DataError: a file cannot be read or holds something else than `x,y`; the message names it.
    """
    pixels = read_grey(folder / "images" / file)
    centres = _read_centres(folder / "centres" / f"{Path(file).stem}.csv")
    height, width = pixels.shape
    centres = centres[((centres >= 0) & (centres < (width, height))).all(axis=1)]
    if len(centres) < FEWEST_CENTRES:
        return None
    left, top = (max(0, int(low) - MARGIN) for low in centres.min(axis=0))
    right, bottom = (int(high) + 1 + MARGIN for high in centres.max(axis=0))
    return CountedImage(file, pixels[top:bottom, left:right], centres - (left, top))


def resized_counted(image: CountedImage, factor: float) -> CountedImage:
    """Return the image enlarged (above 1) or reduced (below 1), its centres moved with it."""
    height, width = image.pixels.shape
    size = max(1, round(factor * width)), max(1, round(factor * height))
    scale = np.array(size) / (width, height)
    return CountedImage(
        image.file,
        np.asarray(Image.fromarray(image.pixels).resize(size, Image.Resampling.BICUBIC)),
        (image.centres + 0.5) * scale - 0.5,
    )


def counted_files(folder: Path) -> list[str]:
    """Return the names of the images of a folder that have a file of centres, sorted."""
    return sorted(
        path.name
        for path in (folder / "images").iterdir()
        if (folder / "centres" / f"{path.stem}.csv").is_file()
    )


def _read_centres(path: Path) -> np.ndarray:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = [(float(row["x"]), float(row["y"])) for row in csv.DictReader(file)]
    except (OSError, UnicodeDecodeError, KeyError, TypeError, ValueError, csv.Error) as error:
        raise DataError(f"{path}: not a table of centres with the columns x and y ({error})") from error
    centres = np.array(rows, dtype=np.float64).reshape(-1, 2)
    if not np.isfinite(centres).all():
        raise DataError(f"{path}: a centre is not a number")
    return np.unique(centres, axis=0)
