"""Which images are for validation: of so many consecutive indices the last, whatever set they are in."""

from __future__ import annotations

from endotwin.image_range import ImageRange
from endotwin.samples.labelling import LabellingError


def is_validation(index: int, every: int | None) -> bool:
    """Return whether an image is for validation; none is if `every` is None."""
    return every is not None and index % every == every - 1


def count_validation(images: ImageRange, every: int | None) -> int:
    """Return the number of images of a range that are for validation."""
    return 0 if every is None else (images.last + 1) // every - images.start // every


def check_validation(images: ImageRange, every: int | None) -> None:
    """Check that some images of a range are for training and some for validation, if any are to be.

    Raises:
        LabellingError: they are not.
    """
    if every is not None and (every < 2 or not 0 < count_validation(images, every) < images.count):
        raise LabellingError(
            "validation_every",
            f"validation_every must be 2 or more and leave some of the images {images.start} to "
            f"{images.last} for training and some for validation, got {every}",
        )
