"""What a layout is made of: a set, and its labelled samples one by one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from endotwin.samples.labelling import Labelling, LabellingError
from endotwin.samples.sample import sample_name, sample_record

if TYPE_CHECKING:  # it brings scipy, and the command line does without until it generates
    from endotwin.mosaic.labels import Label


@dataclass(frozen=True)
class LayoutSet:
    """The set that a folder is to hold: images start to start + count - 1 of a seed.

    Attributes:
        seed: of the images.
        start: index of the first image.
        count: number of images.
        model: name of the checkpoint.
        checkpoint_sha256: sha256 of the checkpoint file.
        terms: terms of use, as the checkpoint's card states them.
        labelling: the labels that the folder holds, and the conditions of the images.
        validation_every: of so many consecutive indices the last is a validation image; None for no such
            part. Which images these are depends on their index alone, so sets in parts agree.
    """

    seed: int
    start: int
    count: int
    model: str
    checkpoint_sha256: str
    terms: str
    labelling: Labelling
    validation_every: int | None = None

    def __post_init__(self) -> None:
        """Check that neither part is empty.

        Raises:
            LabellingError: one would be.
        """
        every = self.validation_every
        if every is not None and (every < 2 or not 0 < self.validation_count < self.count):
            raise LabellingError(
                "validation_every",
                f"validation_every must be 2 or more and leave some of the images {self.start} to "
                f"{self.start + self.count - 1} for training and some for validation, got {every}",
            )

    @property
    def validation_count(self) -> int:
        """Number of validation images."""
        every = self.validation_every
        return 0 if every is None else (self.start + self.count) // every - self.start // every

    def is_validation(self, index: int) -> bool:
        """Tell whether an image is for validation."""
        every = self.validation_every
        return every is not None and index % every == every - 1

    @property
    def record(self) -> dict[str, Any]:
        """Where the set comes from, for JSON; nothing in it varies between runs."""
        record: dict[str, Any] = {
            "checkpoint_sha256": self.checkpoint_sha256,
            "conditions": dict(self.labelling.given),
            "labels": list(self.labelling.labels),
            "model": self.model,
            "n": self.count,
            "seed": self.seed,
            "start": self.start,
            "terms": self.terms,
        }
        if self.validation_every is not None:
            record["validation_every"] = self.validation_every
        return record


@dataclass(frozen=True)
class LayoutSample:
    """One image and its labels.

    Attributes:
        name: as `endotwin.samples.sample.sample_name` makes it.
        index: of the image.
        image: uint8 grey levels (H, W).
        labels: those that are images, (H, W) each, by name; see `endotwin.mosaic.labels.Label`.
        record: as `endotwin.samples.sample.sample_record` makes it.
    """

    name: str
    index: int
    image: np.ndarray
    labels: Mapping[str, np.ndarray]
    record: Mapping[str, Any]


def layout_samples(
    wanted: LayoutSet, images: np.ndarray, labels: Sequence[Label], first: int
) -> Iterator[LayoutSample]:
    """Yield consecutive samples of a set.

    Args:
        wanted: the set.
        images: uint8 grey levels, shape (B, H, W).
        labels: of the images.
        first: index of the first of them.
    """
    for index, (image, label) in enumerate(zip(images, labels, strict=True), first):
        yield LayoutSample(
            name=sample_name(wanted.seed, index),
            index=index,
            image=image,
            labels={name: getattr(label, name) for name in wanted.labelling.image_labels},
            record=sample_record(
                wanted.seed, index, wanted.model, wanted.checkpoint_sha256, wanted.labelling, label
            ),
        )
