"""Images of a labelled checkpoint to train on: cells of every size, and regular mosaics, by turns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from made_up_mosaics import lines_between, mosaic
from PIL import Image

from endotwin.generator.checkpoint import load_checkpoint
from endotwin.generator.sampler import NotLabelledError, Sampler
from endotwin.image_range import BATCH, ImageRange
from endotwin.image_reading import DataError
from training.trial.batches import SyntheticBatches
from training.trial.borders import thick, thin
from training.trial.labelled_source import ASIDE, CONDITIONS_IN_TURN, SEED, labelled_source


@pytest.mark.parametrize("index", range(5))
def test_blocks_show_usual_large_regular_and_small_cells_by_turns(
    labelled_checkpoint: Path, index: int
) -> None:
    conditions = CONDITIONS_IN_TURN[index % 4]
    images, borders = labelled_source(labelled_checkpoint, "cpu").block(index)
    sampler = Sampler(load_checkpoint(labelled_checkpoint))
    batch = sampler.batch(ImageRange(SEED, index * BATCH, BATCH), conditions)
    assert (images == batch.images).all()
    for drawn, label in zip(borders, batch.labels(), strict=True):
        assert (drawn == label.borders).all()
        assert not label.guttae.any()
    drawn_parameters = [scene.parameters for scene in batch.scenes]
    regular = np.mean([drawn.cv <= 0.28 and drawn.hexagonality >= 0.65 for drawn in drawn_parameters])
    assert regular == 1.0 if index % 2 else regular < 0.5
    densities = [drawn.density for drawn in drawn_parameters]
    if index % 4 == 2:
        assert max(densities) <= 1600
    if index % 4 == 3:
        assert min(densities) >= 2400


def test_a_checkpoint_without_labels_is_refused(tiny_checkpoint: Path) -> None:
    with pytest.raises(NotLabelledError):
        labelled_source(tiny_checkpoint, "cpu")


def test_a_source_is_named_after_its_file_and_known_by_its_content(
    labelled_checkpoint: Path, tmp_path: Path
) -> None:
    path = tmp_path / "Labelled 1.safetensors"
    path.write_bytes(labelled_checkpoint.read_bytes())
    one, other = labelled_source(path, "cpu"), labelled_source(labelled_checkpoint, "cpu", "new one")
    assert (one.name, other.name) == ("Labelled-1", "new-one")
    assert one.digest == other.digest


def write_set(folder: Path, seeds: range, size: int = 128, labels: str = "masks") -> Path:
    for part in ("images", labels):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        cells, picture = mosaic(seed, size, size)
        Image.fromarray(picture).save(folder / "images" / f"{seed}.png")
        Image.fromarray(lines_between(cells).astype(np.uint8) * 255).save(folder / labels / f"{seed}.png")
    return folder


@pytest.mark.parametrize("labels", ["masks", "borders"])
def test_a_set_that_was_made_is_used_image_by_image(tmp_path: Path, labels: str) -> None:
    write_set(tmp_path / "set" / "train", range(15), labels=labels)
    write_set(tmp_path / "set" / "validation", range(15, 20), labels=labels)
    source = labelled_source(tmp_path / "set", "cpu")
    known = {
        mosaic(seed, 128, 128)[1].tobytes(): lines_between(mosaic(seed, 128, 128)[0]) for seed in range(20)
    }
    images, borders = source.block(0)
    assert len({image.tobytes() for image in images}) == 16  # four are set aside
    for image, lines in zip(images, borders, strict=True):
        assert ((lines == 255) == known[image.tobytes()]).all()
    aside = {image.tobytes() for image in source.block(ASIDE)[0]}
    assert len(aside) == 4
    assert not aside & {image.tobytes() for k in range(3) for image in source.block(k)[0]}
    assert not source.by_hand
    assert source.digest == labelled_source(tmp_path / "set", "cpu").digest
    write_set(tmp_path / "set" / "train", range(20, 21), labels=labels)
    assert source.digest != labelled_source(tmp_path / "set", "cpu").digest


def test_borders_that_a_set_has_by_hand_are_not_displaced_again(tmp_path: Path) -> None:
    folder = write_set(tmp_path / "set", range(5))
    (folder / "dataset.json").write_text('{"endotwin": {"conditions": {"expert_hand": "true"}}}')
    source = labelled_source(folder, "cpu")
    assert source.by_hand
    batch = SyntheticBatches(source, seed=0).batch(0)
    for bands, lines in zip(batch.borders, source.block(0)[1], strict=True):
        assert (bands == thick(thin(lines > 127))).all()
    (folder / "dataset.json").write_text('{"endotwin": {"conditions": {}}}')
    moved = SyntheticBatches(labelled_source(folder, "cpu"), seed=0).batch(0)
    assert (moved.borders != batch.borders).any()


def test_larger_images_of_a_set_are_cropped_with_their_borders(tmp_path: Path) -> None:
    source = labelled_source(write_set(tmp_path / "set", range(5), size=200), "cpu")
    for index in (0, 1, ASIDE):
        images, borders = source.block(index)
        assert images.shape == borders.shape == (16, 128, 128)
        for image, lines in zip(images, borders, strict=True):
            assert image[lines == 255].mean() < image[lines == 0].mean() - 30
        assert (source.block(index)[0] == images).all()


def test_a_set_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    few = write_set(tmp_path / "few", range(4))
    with pytest.raises(DataError, match="4 images with a label, at least 5 are needed"):
        labelled_source(few, "cpu")
    with pytest.raises(DataError, match=r"0\.png: 100 × 100 pixels.* at least 128 × 128"):
        labelled_source(write_set(tmp_path / "small", range(5), size=100), "cpu")
