"""Real images to score on, with borders that experts drew or centres that a reader counted."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from endotwin.image_reading import DataError
from training.curation.record_store import digest_of
from training.trial.annotated_images import AnnotatedImage, annotated_files, read_annotated, resized
from training.trial.counted_images import CountedImage, counted_files, read_counted, resized_counted

ALIKE = 1.25
"""Cells whose sides differ by at most this factor count as of one size: no image is resized for less."""

TestImage = AnnotatedImage | CountedImage


@dataclass(frozen=True)
class TestSet:
    """Images that no network here was trained on.

    Attributes:
        name: of the set.
        images: at least one, resized by `factor`.
        factor: brings the median cell of a set to the size of those that are trained on; 1 if it is alike.
        plain: the pixels of each image before that, uint8 (H, W).
        cell_area: of a typical cell after that, square pixels.
    """

    __test__ = False  # pytest takes its name for a class of tests

    name: str
    images: list[TestImage]
    factor: float
    plain: list[np.ndarray]
    cell_area: float

    @property
    def cells(self) -> int:
        """Number of cells that experts drew or counted."""
        return sum(cells_of(image) for image in self.images)

    def digest(self) -> str:
        """Return a digest of the images, what is known of them, and their names."""
        content = hashlib.sha256(f"{self.name} {self.factor} {self.cell_area}".encode())
        for image in self.images:
            content.update(f"{image.file} {image.digest()}".encode())
        return content.hexdigest()

    def first(self, count: int) -> TestSet:
        """Return the same set with at most `count` images, spread evenly over its order."""
        if len(self.images) <= count:
            return self
        chosen = [round(k * (len(self.images) - 1) / max(1, count - 1)) for k in range(count)]
        return replace(self, images=[self.images[k] for k in chosen], plain=[self.plain[k] for k in chosen])


def cells_of(image: TestImage) -> int:
    """Return the number of cells that are known in an image."""
    return image.cells if isinstance(image, AnnotatedImage) else len(image.centres)


def zoom_between(cell_area: float, wanted: float) -> float:
    """Return the factor that brings cells of one area to another; 1 if they are of one size already."""
    factor = math.sqrt(wanted / cell_area)
    return 1.0 if 1 / ALIKE <= factor <= ALIKE else factor


def make_test_set(name: str, images: Sequence[TestImage], wanted: float | None) -> TestSet:
    """Bring images, at least one, to one size of cells by one factor, the same for all.

    So what differs between the images of a set stays different.

    Args:
        name: of the set.
        images: as they were taken.
        wanted: median of the training images' mean cell areas, square pixels; None to resize nothing.
    """
    area = float(np.median([image.cell_area for image in images]))
    factor = 1.0 if wanted is None else zoom_between(area, wanted)
    found = list(images) if factor == 1 else [_resized(image, factor) for image in images]
    return TestSet(name, found, factor, [image.pixels for image in images], area * factor**2)


def read_test_folder(folder: Path, wanted: float | None) -> TestSet:
    """Read every image of a folder that has borders and cells, or else every one that has counted centres.

    Args:
        folder: names the set.
        wanted: see `make_test_set`.

    Raises:
        DataError: the folder has no such image, or one cannot be used.
    """
    if not (folder / "images").is_dir():
        raise DataError(f"{folder}: has no folder `images`")
    images: list[TestImage] = [read_annotated(folder, file) for file in annotated_files(folder)]
    images = images or read_counted_images(folder)
    if not images:
        raise DataError(
            f"{folder}: no image of it has files in `borders` and `cells`, or a file in `centres` with "
            "enough cells"
        )
    return make_test_set(folder.name, images, wanted)


def read_counted_images(folder: Path, wanted: Callable[[Path], bool] | None = None) -> list[TestImage]:
    """Read the counted images of a folder with `images` and `centres`, all or those that are wanted."""
    found = [
        read_counted(folder, file)
        for file in counted_files(folder)
        if wanted is None or wanted(folder / "images" / file)
    ]
    return [image for image in found if image is not None]


def with_digest_in(digests: set[str]) -> Callable[[Path], bool]:
    """Return a function that finds the originals of curated images, which bear their digest as a name."""
    return lambda path: digest_of(path.read_bytes()) in digests


def _resized(image: TestImage, factor: float) -> TestImage:
    return resized(image, factor) if isinstance(image, AnnotatedImage) else resized_counted(image, factor)
