"""A labelled set in memory: images, borders, and where these are known."""

from __future__ import annotations

import hashlib
import json
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from skimage.segmentation import expand_labels

from endotwin.image_range import IMAGE_SIZE
from endotwin.image_reading import DataError
from endotwin.samples.layouts.reading import read_layout
from endotwin.samples.reading import UNREADABLE, Picture, read_samples
from endotwin.segmentation.cells import cell_lines
from training.random_streams import Purpose, stream
from training.trial.borders import thick, thin

FEWEST_IMAGES = 20
"""A smaller set teaches nothing."""

_SHARE_ASIDE = 0.1
"""Of the images, where the set has no validation part."""

_GAP = 3.0
"""Pixels between two cells, at most, that are their border."""


@dataclass(frozen=True)
class LabelledImage:
    """One image of a set.

    Attributes:
        image: uint8 grey levels (H, W), H and W at least 128.
        packed: its border bands, three pixels wide, and where they are known: bool (2, H, W), eight to a
            byte.
    """

    image: np.ndarray
    packed: np.ndarray

    @property
    def bands_and_area(self) -> np.ndarray:
        """Return border bands and known area, bool (2, H, W)."""
        count = 2 * self.image.size
        return np.unpackbits(self.packed, count=count).reshape(2, *self.image.shape).astype(bool)


@dataclass(frozen=True)
class SetOrigin:
    """What a set says of itself; None where it says nothing.

    Attributes:
        model: that made it.
        generator_sha256: of that model.
        seed: of the images.
        conditions: that they meet, as text by name.
    """

    model: str | None = None
    generator_sha256: str | None = None
    seed: int | None = None
    conditions: dict[str, str] | None = None

    @property
    def by_hand(self) -> bool:
        """Whether borders lie where an expert would draw them, not exactly (`expert_hand`)."""
        return (self.conditions or {}).get("expert_hand", "").lower() == "true"


@dataclass(frozen=True)
class LabelledSet:
    """Labelled images to train on, and others to judge by.

    Attributes:
        training: at least one.
        validation: the same; those of the set's validation part, or a tenth chosen at random.
        origin: where the set comes from.
        digest: sha256 of images and labels.
    """

    training: list[LabelledImage]
    validation: list[LabelledImage]
    origin: SetOrigin
    digest: str


def read_labelled_set(path: Path, most: int) -> LabelledSet:
    """Read the first images of everything that Endotwin writes with borders or instances.

    What lies under guttae, or is not visible, is not learned from where the set has labels of it.

    Args:
        path: shards, tar, zip, npz, folder, or a layout.
        most: number of images that are read of each part.

    Raises:
        DataError: it cannot be read, holds no borders and no instances, or too few images.
    """
    found: tuple[list[LabelledImage], list[LabelledImage]] = ([], [])
    content = hashlib.sha256()
    try:
        for number, picture in enumerate(_pictures(path)):
            part = found[picture.validation]
            if len(part) < most:
                image = _labelled_image(picture, f"{path}: image {number}")
                content.update(image.image.tobytes() + image.packed.tobytes())
                part.append(image)
            elif not picture.validation and len(found[True]) >= most:
                break
    except UNREADABLE as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
    training, validation = found
    if not validation:
        order = stream(0, Purpose.SEGMENTER_SET).permutation(len(training))
        aside = set(order[: max(1, round(_SHARE_ASIDE * len(order)))].tolist())
        validation = [image for k, image in enumerate(training) if k in aside]
        training = [image for k, image in enumerate(training) if k not in aside]
    if len(training) < FEWEST_IMAGES:
        raise DataError(f"{path}: {len(training)} images to train on, at least {FEWEST_IMAGES} are needed")
    return LabelledSet(training, validation, read_origin(path), content.hexdigest())


def read_origin(path: Path) -> SetOrigin:
    """Return what a set says of itself in its own files."""
    for record in _records(path):
        conditions = record.get("conditions") or {}
        if "generator_sha256" in record and isinstance(conditions, dict):
            return SetOrigin(
                model=record.get("model"),
                generator_sha256=record["generator_sha256"],
                seed=record.get("seed"),
                conditions={str(name): str(value) for name, value in conditions.items()},
            )
    return SetOrigin()


def _pictures(path: Path) -> Iterator[Picture]:
    if not path.exists():
        raise DataError(f"{path}: no such file or folder")
    layout = read_layout(path) if path.is_dir() else None
    return read_samples(path) if layout is None else layout


def _labelled_image(picture: Picture, where: str) -> LabelledImage:
    image = picture.image
    height, width = image.shape
    if min(height, width) < IMAGE_SIZE:
        raise DataError(f"{where}: {width} × {height} pixels; at least {IMAGE_SIZE} × {IMAGE_SIZE}")
    area = np.ones(image.shape, dtype=bool)
    if "borders" in picture.labels:
        lines = thin(picture.labels["borders"]() > 127)
    elif "instances" in picture.labels:
        numbers = picture.labels["instances"]().astype(np.int32)
        cells = expand_labels(numbers, _GAP)  # type: ignore[no-untyped-call]
        lines, area = thin(cell_lines(cells)), cells > 0
    else:
        there = ", ".join(picture.labels) or "none"
        raise DataError(f"{where}: has neither borders nor instances; its labels: {there}")
    for name, known in (("visible", True), ("guttae", False)):
        if name in picture.labels:
            area &= (picture.labels[name]() > 127) == known
    if lines.shape != image.shape:
        raise DataError(f"{where}: {image.shape} pixels, its label has {lines.shape}")
    return LabelledImage(image, np.packbits(np.stack([thick(lines), area])))


def _records(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the JSON objects that may tell where a set comes from."""
    files = [path / name for name in ("set.json", "dataset.json")]
    files += sorted(path.glob("annotations/instances_*.json"))[:1]
    files += list(islice(path.glob("*.json"), 1))
    for text in (*(_text(file) for file in files if file.is_file()), *_archived(path)):
        try:
            content = json.loads(text)
        except ValueError:
            continue
        if isinstance(content, dict):
            info = content.get("info")
            for each in (content, content.get("endotwin"), isinstance(info, dict) and info.get("endotwin")):
                if isinstance(each, dict):
                    yield each


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace")


def _archived(path: Path) -> Iterator[str]:
    """Yield the first JSON file of a tar or zip."""
    if not path.is_file():
        return
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            yield from (
                archive.read(name).decode() for name in archive.namelist() if name.endswith(".json")
            )
    elif tarfile.is_tarfile(path):
        with tarfile.open(path) as tar:
            for member in tar:
                file = tar.extractfile(member) if member.name.endswith(".json") else None
                if file is not None:
                    yield file.read().decode()
