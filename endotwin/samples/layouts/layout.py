"""What all layouts have in common: the set that a folder holds, its samples, and how they are written."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from endotwin.generator.batch import Batch
from endotwin.image_range import ImageRange
from endotwin.samples.labelling import LABELS, Labelling, LabellingError
from endotwin.samples.png import encode_pngs
from endotwin.samples.sample import Provenance, labels_of, sample_name, sample_record
from endotwin.samples.validation import check_validation, count_validation, is_validation


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
        check_validation(self.images, self.validation_every)

    @property
    def labelling(self) -> Labelling:
        """The labels that the folder holds, and the conditions of the images."""
        return self.provenance.labelling

    @property
    def validation_count(self) -> int:
        """Number of validation images."""
        return count_validation(self.images, self.validation_every)

    def is_validation(self, index: int) -> bool:
        """Return whether an image is for validation."""
        return is_validation(index, self.validation_every)

    @property
    def parts(self) -> tuple[str, ...]:
        """The names of the parts that the set has: `train`, and `validation` if any image is for it."""
        return ("train",) if self.validation_every is None else ("train", "validation")

    def part(self, index: int) -> str:
        """Return the name of the part that an image belongs to."""
        return "validation" if self.is_validation(index) else "train"

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
        name: as `sample_name` makes it.
        index: of the image.
        image: uint8 grey levels (H, W).
        labels: those that are images, (H, W) each, by name; see `endotwin.mosaic.labels.Label`.
        record: as `sample_record` makes it.
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


class Layout(ABC):
    """Write one folder: samples go in batch by batch, in index order. Not thread-safe.

    The folder is complete after `finish()`; `layouts.writing` makes it appear whole or not at all.

    Attributes:
        name: what a caller asks for.
        usual: the labels that it holds where a caller names none.
        holds: the labels that it has a place for.
        required: the label that it always holds.
        needs_validation: whether the software takes no set without validation images.
    """

    name: ClassVar[str]
    usual: ClassVar[tuple[str, ...]]
    holds: ClassVar[frozenset[str]]
    required: ClassVar[str] = "borders"
    needs_validation: ClassVar[bool] = False

    @classmethod
    def choose_labels(cls, asked: Sequence[str]) -> tuple[str, ...]:
        """Return the labels that the folder holds.

        Args:
            asked: names from `LABELS`, or none for the usual ones. The required one is always there.

        Raises:
            LabellingError: the layout has no place for one of them.
        """
        if not asked:
            return cls.usual
        missing = [name for name in asked if name not in cls.holds]
        if missing:
            able = ", ".join(name for name in LABELS if name in cls.holds)
            raise LabellingError(
                "layout", f"layout {cls.name} has no place for {', '.join(missing)}, only for {able}"
            )
        return tuple(name for name in LABELS if name == cls.required or name in asked)

    @classmethod  # noqa: B027 (most layouts can be anywhere)
    def check_path(cls, path: Path) -> None:
        """Check that the software which the layout is for would find a folder at `path`.

        Raises:
            OutputError: it would not.
        """

    @classmethod
    def check_set(cls, wanted: LayoutSet) -> None:
        """Check that the software which the layout is for takes a set.

        Raises:
            LabellingError: it does not.
        """
        if cls.needs_validation and wanted.validation_every is None:
            raise LabellingError(
                "validation_every",
                f"layout {cls.name} takes validation images, for its software loads no set without: give "
                "validation_every, such as 10",
            )

    def __init__(self, folder: Path, wanted: LayoutSet) -> None:
        """Begin a set in an empty folder."""
        self._folder = folder
        self._set = wanted

    @abstractmethod
    def add(self, samples: Sequence[LayoutSample]) -> None:
        """Write the next samples."""

    @abstractmethod
    def finish(self) -> None:
        """Write what follows the last sample."""


def write_pngs(images: Mapping[Path, np.ndarray]) -> None:
    """Write images, the same bytes as everywhere, and the folders that they are in."""
    for folder in {path.parent for path in images}:
        folder.mkdir(parents=True, exist_ok=True)
    for path, png in zip(images, encode_pngs(images.values()), strict=True):
        path.write_bytes(png)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file for people to read, too."""
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
