"""What a segmenter learns from is read from every kind of set, with its origin and its validation part."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from made_up_mosaics import lines_between, mosaic
from made_up_sets import write_cellpose, write_masks, write_shards, write_tar
from PIL import Image
from scipy import ndimage

from endotwin.image_reading import DataError
from training.segmenter.labelled_set import LabelledSet, read_labelled_set
from training.segmenter.set_batches import SetBatches

SEEDS = range(32)


def check(chosen: LabelledSet) -> None:
    """Check images, bands near the true borders, and that all of it is known."""
    known = {mosaic(seed, 128, 128)[1].tobytes(): mosaic(seed, 128, 128)[0] for seed in SEEDS}
    for part in (chosen.training, chosen.validation):
        for labelled in part:
            lines = lines_between(known[labelled.image.tobytes()])
            bands, area = labelled.bands_and_area
            assert area.all()
            distance = ndimage.distance_transform_edt(~lines)
            assert distance[bands].max() <= 3
            assert bands[lines].mean() > 0.95
    assert len(chosen.training) + len(chosen.validation) == len(SEEDS)


@pytest.mark.parametrize("write", [write_shards, write_cellpose])
def test_a_set_with_a_validation_part(write: object, tmp_path: Path) -> None:
    chosen = read_labelled_set(write(tmp_path / "set", SEEDS), 1000)  # type: ignore[operator]
    check(chosen)
    aside = {mosaic(seed, 128, 128)[1].tobytes() for seed in SEEDS if seed % 4 == 0}
    assert {labelled.image.tobytes() for labelled in chosen.validation} == aside
    assert chosen.origin.model == "labelled"
    assert chosen.origin.generator_sha256 == "ab" * 32
    assert chosen.origin.by_hand


@pytest.mark.parametrize("kind", ["masks", "tar"])
def test_of_a_set_without_one_a_tenth_is_set_aside(kind: str, tmp_path: Path) -> None:
    path = (
        write_masks(tmp_path / "set", SEEDS)
        if kind == "masks"
        else write_tar(tmp_path / "set.tar", [*SEEDS])
    )
    chosen = read_labelled_set(path, 1000)
    check(chosen)
    assert len(chosen.validation) == 3
    assert chosen.origin.by_hand == (kind == "tar")
    assert chosen.digest == read_labelled_set(path, 1000).digest


def test_what_is_hidden_is_not_learned(tmp_path: Path) -> None:
    write_masks(tmp_path / "set", range(24))
    hidden = np.zeros((128, 128), dtype=np.uint8)
    hidden[:50] = 255
    for name, content in (("guttae", hidden), ("visible", 255 - hidden)):
        (tmp_path / "set" / name).mkdir()
        for seed in range(24):
            Image.fromarray(content if seed % 2 else content * 0 + (name == "visible") * 255).save(
                tmp_path / "set" / name / f"{seed:03}.png"
            )
    chosen = read_labelled_set(tmp_path / "set", 100)
    shares = sorted({float(labelled.bands_and_area[1].mean()) for labelled in chosen.training})
    assert shares == [78 / 128, 1.0]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "no such file or folder"),
        (lambda path: path.mkdir(), "0 images to train on, at least 20"),
        (lambda path: write_masks(path, range(10)), "9 images to train on, at least 20"),
        (lambda path: write_masks(path, range(30), labels=False), "neither borders nor instances"),
        (lambda path: write_masks(path, range(30), size=100), "100 × 100 pixels; at least 128"),
        (lambda path: path.write_bytes(b"what"), "cannot be read"),
    ],
)
def test_a_set_that_cannot_be_used_is_named_with_the_reason(
    make: object, message: str, tmp_path: Path
) -> None:
    make(tmp_path / "set")  # type: ignore[operator]
    with pytest.raises(DataError, match=message) as caught:
        read_labelled_set(tmp_path / "set", 100)
    assert str(tmp_path / "set") in str(caught.value)


def test_every_image_comes_once_before_any_comes_again_and_some_without_cells(tmp_path: Path) -> None:
    chosen = read_labelled_set(write_tar(tmp_path / "set.tar", [*SEEDS]), 1000)
    batches = SetBatches(chosen, seed=1)
    steps = [batches.batch(step) for step in range(6)]
    images = np.concatenate([batch.images for batch in steps])
    known = {labelled.image.tobytes(): k for k, labelled in enumerate(chosen.training)}
    turn = [known[image.tobytes()] for image in images[: len(known)] if image.tobytes() in known]
    assert len(turn) == len(set(turn)) > 15
    borders = np.concatenate([batch.borders for batch in steps])
    changed = [k for k, image in enumerate(images) if image.tobytes() not in known]
    assert 0.1 < len(changed) / len(images) < 0.45
    assert any(not borders[k].any() for k in changed)
    assert np.array_equal(steps[3].images, SetBatches(chosen, seed=1).batch(3).images)
    assert not np.array_equal(steps[3].images, SetBatches(chosen, seed=2).batch(3).images)
