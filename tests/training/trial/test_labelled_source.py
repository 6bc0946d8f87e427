"""Images of a labelled checkpoint to train on: mosaics of its own and regular ones by turns."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from endotwin.generator.checkpoint import load_checkpoint
from endotwin.generator.sampler import NotLabelledError, Sampler
from endotwin.image_range import BATCH, ImageRange
from endotwin.mosaic.parameters import Conditions
from training.trial.labelled_source import REGULAR, SEED, WITHOUT_GUTTAE, checkpoint_source


@pytest.mark.parametrize(("index", "conditions"), [(0, WITHOUT_GUTTAE), (1, REGULAR), (2, WITHOUT_GUTTAE)])
def test_every_other_block_is_regular(
    labelled_checkpoint: Path, index: int, conditions: Conditions
) -> None:
    images, borders = checkpoint_source(labelled_checkpoint, "cpu").block(index)
    sampler = Sampler(load_checkpoint(labelled_checkpoint))
    batch = sampler.batch(ImageRange(SEED, index * BATCH, BATCH), conditions)
    assert (images == batch.images).all()
    for drawn, label in zip(borders, batch.labels(), strict=True):
        assert (drawn == label.borders).all()
        assert not label.guttae.any()
    regular = [
        scene.parameters.cv <= 0.28 and scene.parameters.hexagonality >= 0.65 for scene in batch.scenes
    ]
    assert np.mean(regular) == 1.0 if conditions is REGULAR else np.mean(regular) < 0.5


def test_a_checkpoint_without_labels_is_refused(tiny_checkpoint: Path) -> None:
    with pytest.raises(NotLabelledError):
        checkpoint_source(tiny_checkpoint, "cpu")


def test_a_source_is_named_after_file_and_content(labelled_checkpoint: Path, tmp_path: Path) -> None:
    path = tmp_path / "Labelled 1.safetensors"
    path.write_bytes(labelled_checkpoint.read_bytes())
    assert re.fullmatch("Labelled-1-[0-9a-f]{8}", checkpoint_source(path, "cpu").name)
