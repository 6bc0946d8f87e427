"""A batch of a labelled model, and the same batch written as a layout."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from service.labelling import Labelling
from service.layouts.samples import LayoutSet, layout_samples
from service.layouts.writing import LAYOUTS, write_layout
from training.checkpoint import load_checkpoint
from training.mosaic.labels import Label
from training.mosaic.parameters import Conditions, Range
from training.sampler import BATCH, Sampler

SEED, START = 7, 2 * BATCH
CONDITIONS = Conditions(guttae=Range(low=0.1, high=0.2))


@dataclass(frozen=True)
class Made:
    """Images START to START + BATCH - 1 of seed 7, under `CONDITIONS`, and their labels."""

    images: np.ndarray
    labels: list[Label]


@pytest.fixture(scope="session")
def made(labelled_checkpoint: Path) -> Made:
    """Return a batch in which every image has borders and guttae."""
    images, scenes = Sampler(load_checkpoint(labelled_checkpoint)).scenes(SEED, START // BATCH, CONDITIONS)
    labels = [scene.label() for scene in scenes]
    assert all(label.borders.any() and label.guttae.any() for label in labels)
    return Made(images, labels)


def layout_set(layout: str, *labels: str, validation_every: int | None = None) -> LayoutSet:
    """Describe the batch as a set of a layout."""
    labelling = Labelling(LAYOUTS[layout].choose_labels(labels), CONDITIONS)
    return LayoutSet(SEED, START, BATCH, "tiny-labelled", "ab" * 32, "none", labelling, validation_every)


@pytest.fixture
def write(made: Made) -> Callable[..., None]:
    """Return a function that writes the batch as a layout, in calls of uneven size."""

    def write_batch(layout: str, output: Path, *labels: str, validation_every: int | None = None) -> None:
        wanted = layout_set(layout, *labels, validation_every=validation_every)
        parts = [
            list(layout_samples(wanted, made.images[a:b], made.labels[a:b], START + a))
            for a, b in ((0, 1), (1, 9), (9, BATCH))
        ]
        write_layout(LAYOUTS[layout], wanted, parts, output)

    return write_batch
