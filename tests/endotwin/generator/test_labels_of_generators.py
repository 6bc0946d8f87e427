"""Images against their labels: the sheet for people, the statistics for the card, and what ships."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from endotwin.generator.checkpoint import load_checkpoint
from endotwin.generator.sampler import NotLabelledError, Sampler
from endotwin.image_range import BATCH, ImageRange
from endotwin.mosaic.parameters import Conditions, Range
from training.scores.border_displacement import measure_labels
from training.scores.figures import draw_label_sheet

SHIPPED = Path(__file__).resolve().parents[3] / "checkpoints" / "labelled.safetensors"


def test_the_sheet_shows_images_and_their_labels(labelled_checkpoint: Path) -> None:
    sampler = Sampler(load_checkpoint(labelled_checkpoint))
    batch = sampler.batch(ImageRange(3, 0, 3), Conditions(guttae=Range(low=0.1, high=0.1)))
    images, labels = batch.images, batch.labels()
    sheet = np.asarray(draw_label_sheet(images, labels, columns=2))
    assert sheet.shape == (4 * 258 - 2, 2 * 258 - 2, 3)
    plain, marked = sheet[:256, :256], sheet[258:514, :256]
    assert np.array_equal(plain[::2, ::2], np.repeat(images[0][..., None], 3, axis=2))
    red = (marked[::2, ::2] == (255, 70, 70)).all(axis=2)
    assert np.array_equal(red, labels[0].borders > 0)
    blue = (marked[::2, ::2].astype(int)[..., 2] > marked[::2, ::2].astype(int)[..., 0]) & ~red
    assert blue[(labels[0].guttae > 0) & ~red].mean() > 0.9
    assert (sheet[516:, 258:] == 255).all()  # no fourth image


def test_a_generator_without_labels_has_no_such_statistics(tiny_checkpoint: Path) -> None:
    checkpoint = load_checkpoint(tiny_checkpoint)
    assert measure_labels(checkpoint, count=16) is None
    with pytest.raises(NotLabelledError, match="tiny has no labels"):
        Sampler(checkpoint).batch(ImageRange(0, 0, 1), Conditions())


def test_an_untrained_generator_draws_borders_nowhere_in_particular(labelled_checkpoint: Path) -> None:
    found = measure_labels(load_checkpoint(labelled_checkpoint), count=16)
    assert found is not None
    assert found.displacement_median > 1.0


def test_the_shipped_generator_draws_borders_where_its_labels_have_them() -> None:
    checkpoint = load_checkpoint(SHIPPED)
    found = measure_labels(checkpoint, count=64, seed=1)
    assert found is not None
    assert found.displacement_median < 1.0
    recorded = checkpoint.card.labels
    assert recorded is not None
    assert found.displacement_within_one == pytest.approx(recorded.displacement_within_one, abs=0.1)


def test_guttae_of_the_shipped_generator_are_dark() -> None:
    conditions = Conditions(guttae=Range(low=0.2, high=0.2))
    batch = Sampler(load_checkpoint(SHIPPED)).batch(ImageRange(5, 0, BATCH), conditions)
    darker = [
        image[scene.guttae].mean() < image[~scene.guttae].mean()
        for image, scene in zip(batch.images, batch.scenes, strict=True)
    ]
    assert sum(darker) >= 14
