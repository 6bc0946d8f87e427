"""Labelled synthetic images to train a segmenter on, in blocks."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from endotwin.generator.checkpoint import load_checkpoint
from endotwin.generator.sampler import NotLabelledError, Sampler
from endotwin.image_range import BATCH, ImageRange
from endotwin.mosaic.expert_hand import NO_GUTTAE, REGULAR_CV, REGULAR_HEXAGONALITY
from endotwin.mosaic.parameters import Conditions

BLOCK = BATCH
"""Images in a block."""

SEED = 20_261_125
"""Seed of the synthetic training images; another seed gives other images of the same kind."""

WITHOUT_GUTTAE = Conditions(guttae=NO_GUTTAE)
REGULAR = Conditions(guttae=NO_GUTTAE, cv=REGULAR_CV, hexagonality=REGULAR_HEXAGONALITY)
"""For every other block (`endotwin.mosaic.expert_hand` says why)."""


@dataclass(frozen=True)
class LabelledSource:
    """Labelled synthetic images.

    Attributes:
        name: letters, digits and hyphens; names the results.
        block: returns block `index` (0 or more): images and borders, both uint8 (16, 128, 128). Borders are
            255 on lines one pixel wide and 0 elsewhere; the whole image is labelled. The same index gives
            the same block, whatever was asked for before.
    """

    name: str
    block: Callable[[int], tuple[np.ndarray, np.ndarray]]


def checkpoint_source(path: Path, device: str) -> LabelledSource:
    """Return the images of a labelled checkpoint, named by its file and a digest of its content.

    Even blocks show mosaics as the checkpoint draws them without conditions, odd ones regular mosaics.

    Raises:
        CheckpointError: the file cannot be used.
        NotLabelledError: its images have no labels.
    """
    checkpoint = load_checkpoint(path)
    sampler = Sampler(checkpoint, device)
    if not sampler.has_labels:
        raise NotLabelledError(f"{path}: its images have no labels")

    def block(index: int) -> tuple[np.ndarray, np.ndarray]:
        images = ImageRange(SEED, index * BATCH, BATCH)
        batch = sampler.batch(images, REGULAR if index % 2 else WITHOUT_GUTTAE)
        return batch.images, np.stack([label.borders for label in batch.labels()])

    stem = re.sub(r"[^A-Za-z0-9-]+", "-", path.stem)
    return LabelledSource(f"{stem}-{checkpoint.generator_sha256[:8]}", block)
