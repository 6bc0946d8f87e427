"""Labelled synthetic images to train a segmenter on, in blocks: of a checkpoint, or of a made set."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from endotwin.generator.checkpoint import load_checkpoint
from endotwin.generator.sampler import NotLabelledError, Sampler
from endotwin.image_range import BATCH, IMAGE_SIZE, ImageRange
from endotwin.image_reading import DataError, read_grey
from endotwin.mosaic.expert_hand import KINDS, conditions_of_image
from endotwin.mosaic.parameters import Conditions
from training.random_streams import Purpose, stream, stream_of_step

BLOCK = BATCH
"""Images in a block."""

ASIDE = 2**30
"""Blocks from this one on are for validation: nothing is trained on them."""

SEED = 20_261_125
"""Seed of the synthetic training images; another seed gives other images of the same kind."""

CONDITIONS_IN_TURN = tuple(conditions_of_image(Conditions(), index) for index in range(KINDS))
"""Of the blocks of a checkpoint: what `expert_hand` asks for image by image."""

_LEAST = 5
"""Images that a made set needs, so that one can be set aside."""

_SHARE_ASIDE = 0.2
_LABEL_FOLDERS = ("masks", "borders")


@dataclass(frozen=True)
class LabelledSource:
    """Labelled synthetic images.

    Attributes:
        name: letters, digits and hyphens; names the results.
        digest: of everything that the images follow from.
        block: returns block `index` (0 or more): images and borders, both uint8 (16, 128, 128). Borders are
            255 on lines one pixel wide and 0 elsewhere; the whole image is labelled. The same index gives
            the same block, whatever was asked for before.
        by_hand: whether the borders lie where an expert would draw them, not exactly (`expert_hand`).
    """

    name: str
    digest: str
    block: Callable[[int], tuple[np.ndarray, np.ndarray]]
    by_hand: bool = False


def labelled_source(path: Path, device: str, name: str | None = None) -> LabelledSource:
    """Return the images of a labelled checkpoint (a file) or of a set that was made (a folder).

    Args:
        path: see `checkpoint_source` and `folder_source`.
        device: that a checkpoint runs on.
        name: in tables; by default that of the file or folder.
    """
    name = re.sub(r"[^A-Za-z0-9-]+", "-", name or path.stem)
    return folder_source(path, name) if path.is_dir() else checkpoint_source(path, device, name)


def checkpoint_source(path: Path, device: str, name: str) -> LabelledSource:
    """Return the images of a labelled checkpoint, scored or not.

    Of four blocks one shows mosaics as the checkpoint draws them without conditions, one large cells, one
    regular mosaics, and one regular mosaics of small cells.

    Raises:
        CheckpointError: the file cannot be used.
        NotLabelledError: its images have no labels.
    """
    checkpoint = load_checkpoint(path, require_fid=False)
    sampler = Sampler(checkpoint, device)
    if not sampler.has_labels:
        raise NotLabelledError(f"{path}: its images have no labels")

    def block(index: int) -> tuple[np.ndarray, np.ndarray]:
        images = ImageRange(SEED, index * BATCH, BATCH)
        batch = sampler.batch(images, CONDITIONS_IN_TURN[index % KINDS])
        return batch.images, np.stack([label.borders for label in batch.labels()])

    asked = [conditions.model_dump_json(exclude_none=True) for conditions in CONDITIONS_IN_TURN]
    digest = f"{checkpoint.generator_sha256} {SEED} {asked}"
    return LabelledSource(name, hashlib.sha256(digest.encode()).hexdigest(), block)


def folder_source(folder: Path, name: str) -> LabelledSource:
    """Return crops of the images of a folder: `images/KEY.png` and `masks/KEY.png` (or `borders/KEY.png`).

    So the layout `masks` can be used as it is, with or without its parts train/ and validation/. Every
    image is used once before one is used again; every fifth is set aside for validation.

    Raises:
        DataError: there are fewer than five labelled images, or one cannot be used; the message names it.
    """
    images, borders = [], []
    content = hashlib.sha256()
    for path in sorted(folder.rglob("images/*.png")):
        label = next((found for part in _LABEL_FOLDERS if (found := _label_of(path, part)).is_file()), None)
        if label is None:
            continue
        image, lines = read_grey(path), read_grey(label)
        if image.shape != lines.shape or min(image.shape) < IMAGE_SIZE:
            raise DataError(
                f"{path}: {image.shape[1]} × {image.shape[0]} pixels, its label {lines.shape[1]} × "
                f"{lines.shape[0]}; both must be of one size, at least {IMAGE_SIZE} × {IMAGE_SIZE}"
            )
        images.append(image)
        borders.append(lines)
        content.update(image.tobytes() + lines.tobytes())
    if len(images) < _LEAST:
        raise DataError(
            f"{folder}: {len(images)} images with a label, at least {_LEAST} are needed; each as "
            "images/KEY.png and masks/KEY.png, as `--layout masks` writes them"
        )
    order = stream(SEED, Purpose.TRIAL_SET).permutation(len(images))
    aside = order[: max(1, round(_SHARE_ASIDE * len(order)))]
    used = order[len(aside) :]

    def block(index: int) -> tuple[np.ndarray, np.ndarray]:
        rng = stream_of_step(SEED, Purpose.TRIAL_SET, index % 2**32)
        chosen = aside if index >= ASIDE else used
        first = (index % ASIDE) * BLOCK
        crops = [_crop(images[k], borders[k], rng) for k in _in_turn(chosen, first)]
        return np.stack([crop for crop, _ in crops]), np.stack([crop for _, crop in crops])

    return LabelledSource(name, content.hexdigest(), block, by_hand=_is_by_hand(folder))


def _is_by_hand(folder: Path) -> bool:
    """Return whether the set's dataset.json says that it was made with `expert_hand`."""
    try:
        record = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
        return str(record["endotwin"]["conditions"]["expert_hand"]).lower() == "true"
    except (FileNotFoundError, KeyError, TypeError, ValueError):
        return False


def _label_of(image: Path, part: str) -> Path:
    return image.parent.parent / part / image.name


def _in_turn(chosen: np.ndarray, first: int) -> np.ndarray:
    return chosen[np.arange(first, first + BLOCK) % len(chosen)]


def _crop(
    image: np.ndarray, borders: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    top, left = (int(rng.integers(size - IMAGE_SIZE + 1)) for size in image.shape)
    place = (slice(top, top + IMAGE_SIZE), slice(left, left + IMAGE_SIZE))
    return image[place], borders[place]
