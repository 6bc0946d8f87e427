"""What a layout is made of: a set, and its labelled samples one by one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from endotwin.generator.batch import Batch
from endotwin.image_range import ImageRange
from endotwin.samples.labelling import Labelling, LabellingError
from endotwin.samples.sample import Provenance, labels_of, sample_name, sample_record


@dataclass(frozen=True)
class LayoutSet:
    """The set that a folder is to hold.

    Attributes:
        images: which images.
        provenance: where they come from, and the labels that the folder holds.
        terms: terms of use, as the checkpoint's card states them.
        validation_every: of so many consecutive indices the last is a validation image; None for no such
            part. Which images these are depends on their index alone, so sets in parts agree.
    """

    images: ImageRange
    provenance: Provenance
    terms: str
    validation_every: int | None = None

    def __post_init__(self) -> None:
        """Check that neither part is empty.

        Raises:
            LabellingError: one would be.
        """
        every = self.validation_every
        if every is not None and (every < 2 or not 0 < self.validation_count < self.images.count):
            raise LabellingError(
                "validation_every",
                f"validation_every must be 2 or more and leave some of the images {self.images.start} to "
                f"{self.images.last} for training and some for validation, got {every}",
            )

    @property
    def labelling(self) -> Labelling:
        """The labels that the folder holds, and the conditions of the images."""
        return self.provenance.labelling

    @property
    def validation_count(self) -> int:
        """Number of validation images."""
        every = self.validation_every
        return 0 if every is None else (self.images.last + 1) // every - self.images.start // every

    def is_validation(self, index: int) -> bool:
        """Tell whether an image is for validation."""
        every = self.validation_every
        return every is not None and index % every == every - 1

    @property
    def record(self) -> dict[str, Any]:
        """Where the set comes from, for JSON; nothing in it varies between runs."""
        record: dict[str, Any] = {
            "conditions": dict(self.labelling.given),
            "generator_sha256": self.provenance.generator_sha256,
            "labels": list(self.labelling.labels),
            "model": self.provenance.model,
            "n": self.images.count,
            "seed": self.images.seed,
            "start": self.images.start,
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


def layout_samples(wanted: LayoutSet, batch: Batch) -> Iterator[LayoutSample]:
    """Yield the samples of a batch of a set."""
    labels = labels_of(batch, wanted.labelling)
    for index, image, label in zip(batch.range.indices, batch.images, labels, strict=True):
        yield LayoutSample(
            name=sample_name(batch.range.seed, index),
            index=index,
            image=image,
            labels={name: getattr(label, name) for name in wanted.labelling.image_labels},
            record=sample_record(batch.range.seed, index, wanted.provenance, label),
        )
