"""The size of an image: 128 × 128 pixels, or a field as large as a microscope's."""

from __future__ import annotations

import re
from dataclasses import dataclass

from endotwin.image_range import BATCH, IMAGE_SIZE
from endotwin.quoting import shorten

LARGEST_SIDE = 1024
"""Pixels. The least side is `IMAGE_SIZE`."""

SIZE_PATTERN = r"[1-9][0-9]{2,3}x[1-9][0-9]{2,3}"
_SIZE = re.compile(r"([1-9][0-9]{2,3})x([1-9][0-9]{2,3})")


@dataclass(frozen=True)
class FieldSize:
    """Width and height of an image in pixels, `IMAGE_SIZE` to `LARGEST_SIDE` each."""

    width: int = IMAGE_SIZE
    height: int = IMAGE_SIZE

    def __post_init__(self) -> None:
        """Check the limits.

        Raises:
            ValueError: a side is out of range.
        """
        if not all(IMAGE_SIZE <= side <= LARGEST_SIDE for side in (self.width, self.height)):
            raise ValueError(_problem(str(self)))

    def __str__(self) -> str:
        """Write it as it is given: `640x480`."""
        return f"{self.width}x{self.height}"

    @property
    def words(self) -> str:
        """Write it for people: `640 x 480`."""
        return f"{self.width} x {self.height}"

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width, as arrays have them."""
        return self.height, self.width

    @property
    def pixels(self) -> int:
        """Number of pixels."""
        return self.width * self.height

    @property
    def images_at_once(self) -> int:
        """Images of a batch: a power of two up to `BATCH`, with at most as many pixels, and at least 1."""
        return 1 << (self.most(BATCH).bit_length() - 1)

    def most(self, standard_images: int) -> int:
        """Return how many images have at most the pixels of so many images of 128 × 128; at least 1."""
        return max(standard_images * IMAGE_SIZE**2 // self.pixels, 1)

    def count_as(self, images: int) -> int:
        """Return how many images of 128 × 128 have the pixels of so many of this size, rounded up."""
        return -(-images * self.pixels // IMAGE_SIZE**2)


STANDARD = FieldSize()


def parse_size(text: str) -> FieldSize:
    """Read a size such as `640x480`.

    Raises:
        ValueError: it is none, or a side is out of range.
    """
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError(_problem(text))
    return FieldSize(int(match[1]), int(match[2]))


def _problem(got: str) -> str:
    return (
        f"size must be WIDTHxHEIGHT in pixels, {IMAGE_SIZE} to {LARGEST_SIDE} each, such as 640x480, got "
        f"{shorten(got)}"
    )
