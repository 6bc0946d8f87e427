"""A batch of a labelled model, and the same batch written as a layout."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from layout_batches import CONDITIONS, SEED, START, Made, layout_set

from endotwin.generator.checkpoint import load_checkpoint
from endotwin.generator.sampler import Sampler
from endotwin.image_range import BATCH, ImageRange
from endotwin.samples.layouts.layout import layout_samples
from endotwin.samples.layouts.writing import LAYOUTS, write_layout


@pytest.fixture(scope="session")
def made(labelled_checkpoint: Path) -> Made:
    """Return a batch in which every image has borders and guttae."""
    batch = Sampler(load_checkpoint(labelled_checkpoint)).batch(ImageRange(SEED, START, BATCH), CONDITIONS)
    labels = batch.labels()
    assert all(label.borders.any() and label.guttae.any() for label in labels)
    return Made(batch, labels)


@pytest.fixture
def write(made: Made) -> Callable[..., None]:
    """Return a function that writes the batch as a layout, in calls of uneven size."""

    def write_batch(layout: str, output: Path, *labels: str, validation_every: int | None = None) -> None:
        wanted = layout_set(layout, *labels, validation_every=validation_every)
        parts = [list(layout_samples(wanted, made.part(a, b))) for a, b in ((0, 1), (1, 9), (9, BATCH))]
        write_layout(LAYOUTS[layout], wanted, parts, output)

    return write_batch
