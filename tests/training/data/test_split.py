"""Folders of images → a data set split by image."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from made_up_images import blobs, level, levels, load_folders, write

from endotwin.image_reading import DataError
from training.data.crops import draw_crops
from training.data.split import ImageFolder, load_dataset

# Folders


def test_a_missing_folder_an_empty_one_and_one_without_an_image(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere: no such folder"):
        load_folders(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"no usable image \(0 file\(s\) left out\)"):
        load_folders(tmp_path)
    for k in range(12):
        (tmp_path / f"{k:02d}.png").write_text("text")
    with pytest.raises(DataError, match=r"no usable image \(12 file\(s\) left out\)") as error:
        load_folders(tmp_path)
    assert str(error.value).count("not an image that Pillow reads") == 10  # the first ten, then enough
    with pytest.raises(DataError, match=r"00\.png: no such folder"):
        load_folders(tmp_path / "00.png")


def test_a_subfolder_called_images_is_used_instead(tmp_path: Path) -> None:
    write(tmp_path / "scans" / "images", "a.png", blobs(1))
    write(tmp_path / "scans" / "masks", "a.png", level(0))
    dataset = load_folders(tmp_path / "scans")
    assert len(dataset.training) == 1
    assert dataset.sources[0].name == "scans"
    assert load_folders(tmp_path / "scans" / "images").sources[0].name == "scans"


def test_two_folders_of_one_name_are_refused(tmp_path: Path) -> None:
    for parent in ("one", "two"):
        write(tmp_path / parent / "scans", "a.png", blobs(1))
    with pytest.raises(DataError, match=r"same name \(scans, scans\)"):
        load_folders(tmp_path / "one" / "scans", tmp_path / "two" / "scans")


@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan"), float("inf")])
def test_a_weight_has_to_be_above_zero(weight: float, tmp_path: Path) -> None:
    write(tmp_path, "a.png", blobs(1))
    with pytest.raises(DataError, match="weight must be a number above 0"):
        load_folders(ImageFolder(tmp_path, weight))


@pytest.mark.parametrize("region", [(0.5, 0, 0.5, 1), (0, 0, 1.1, 1), (-0.1, 0, 1, 1), (0, 0.9, 1, 0.1)])
def test_a_region_has_to_lie_within_the_image(
    region: tuple[float, float, float, float], tmp_path: Path
) -> None:
    write(tmp_path, "a.png", blobs(1))
    with pytest.raises(DataError, match="a region is left, top, right, bottom"):
        load_folders(ImageFolder(tmp_path, region=region))


@pytest.mark.parametrize("share", [-0.1, 1.0, 2.0, float("nan")])
def test_a_share_has_to_be_below_one(share: float, tmp_path: Path) -> None:
    write(tmp_path, "a.png", blobs(1))
    with pytest.raises(DataError, match="from 0 to below 1"):
        load_folders(tmp_path, share=share)


@pytest.mark.parametrize("factor", [0.5, float("nan"), float("inf")])
def test_enlarging_has_to_be_by_one_or_more(factor: float, tmp_path: Path) -> None:
    write(tmp_path, "a.png", blobs(1))
    with pytest.raises(DataError, match="a number from 1 up"):
        load_dataset([ImageFolder(tmp_path)], max_upscale=factor)


# Region and enlarging


def test_only_the_region_is_used(tmp_path: Path) -> None:
    pixels = level(10, 400, 200)
    pixels[:100], pixels[300:] = 200, 220
    pixels[:, :20] = 240
    write(tmp_path, "a.png", pixels)
    dataset = load_folders(ImageFolder(tmp_path, region=(0.1, 0.25, 1.0, 0.75)))
    (image,) = dataset.training
    np.testing.assert_array_equal(image.pixels, level(10, 200, 180))
    assert dataset.sources[0].region == (0.1, 0.25, 1.0, 0.75)


def test_a_region_of_no_pixel_leaves_the_image_out(tmp_path: Path) -> None:
    write(tmp_path, "a.png", blobs(1))
    with pytest.raises(DataError, match=r"a\.png: nothing of it lies in the region"):
        load_folders(ImageFolder(tmp_path, region=(0.0, 0.0, 0.001, 1.0)))


def test_small_images_are_enlarged_as_far_as_allowed(tmp_path: Path) -> None:
    write(tmp_path, "narrow.png", blobs(1, 300, 110))
    write(tmp_path, "tiny.png", blobs(2, 90, 90))
    write(tmp_path, "large.png", blobs(3, 200, 140))
    dataset = load_dataset([ImageFolder(tmp_path)], max_upscale=1.2, validation_share=0)
    assert {image.file: image.pixels.shape for image in dataset.training} == {
        "narrow.png": (349, 128),
        "large.png": (200, 140),
    }
    (tiny,) = dataset.left_out
    assert "enlarging by 1.42 would fit it; allowed: 1.2" in tiny.reason
    assert dataset.max_upscale == 1.2


def test_an_image_of_the_size_of_a_crop_is_used_as_it_is(tmp_path: Path) -> None:
    write(tmp_path, "a.png", blobs(1, 128, 128))
    dataset = load_folders(tmp_path)
    crops = draw_crops(dataset.training, 3, np.random.default_rng(0), flips=False)
    np.testing.assert_array_equal(crops, np.stack([blobs(1, 128, 128)] * 3))


# Split


@pytest.fixture
def thirty(tmp_path: Path) -> Path:
    """Return a folder of thirty images with a grey level of their own each."""
    for k in range(30):
        write(tmp_path / "thirty", f"{k}.png", level(8 * k))
    return tmp_path / "thirty"


def test_the_split_is_by_image_never_by_crop(thirty: Path) -> None:
    dataset = load_folders(thirty)
    assert (len(dataset.training), len(dataset.held_out)) == (24, 6)
    sides = [
        set(np.unique(draw_crops(images, 400, np.random.default_rng(0))).tolist())
        for images in (dataset.training, dataset.held_out)
    ]
    assert [len(side) for side in sides] == [24, 6]
    assert not sides[0] & sides[1]


def test_names_and_folders_do_not_decide_the_split(thirty: Path) -> None:
    before = load_folders(thirty)
    for k in range(30):
        target = thirty / ("sub" if k % 2 else ".") / f"renamed-{29 - k:03d}.png"
        target.parent.mkdir(exist_ok=True)
        (thirty / f"{k}.png").rename(target)
    after = load_folders(thirty)
    assert levels(after.held_out) == levels(before.held_out)
    assert after.digest == before.digest
    assert [image.pixels[0, 0] for image in after.training] == [
        image.pixels[0, 0] for image in before.training
    ]


def test_an_added_image_pushes_at_most_one_over_the_boundary(thirty: Path) -> None:
    held = levels(load_folders(thirty).held_out)
    for grey in range(1, 80, 8):
        write(thirty, "added.png", level(grey))
        assert len(held - levels(load_folders(thirty).held_out)) <= 1


def test_another_seed_makes_another_split(thirty: Path) -> None:
    splits = {frozenset(levels(load_folders(thirty, split_seed=seed).held_out)) for seed in range(5)}
    assert len(splits) == 5
    assert all(len(split) == 6 for split in splits)


def test_every_image_is_held_out_by_some_seed(thirty: Path) -> None:
    found = set().union(*(levels(load_folders(thirty, split_seed=seed).held_out) for seed in range(40)))
    assert len(found) == 30


@pytest.mark.parametrize(("share", "held"), [(0.0, 0), (0.001, 1), (0.2, 6), (0.5, 15), (0.95, 28)])
def test_the_share_is_met_as_closely_as_whole_images_allow(share: float, held: int, thirty: Path) -> None:
    dataset = load_folders(thirty, share=share)
    assert len(dataset.held_out) == held
    assert len(dataset.training) == 30 - held


def test_a_share_that_leaves_nothing_to_train_on_is_refused(thirty: Path) -> None:
    with pytest.raises(DataError, match=r"30 usable image\(s\) leave none to train on"):
        load_folders(thirty, share=0.99)


def test_a_single_image_is_trained_on(tmp_path: Path) -> None:
    write(tmp_path, "a.png", blobs(1))
    dataset = load_folders(tmp_path)
    assert (len(dataset.training), len(dataset.held_out)) == (1, 0)


def test_identical_copies_stay_together(thirty: Path, tmp_path: Path) -> None:
    for k in range(30):
        shutil.copy(thirty / f"{k}.png", thirty / f"copy-of-{k}.png")
    other = tmp_path / "other"  # the same images a third time, among others that shift its boundary
    shutil.copytree(thirty, other)
    for grey in range(3, 240, 8):
        write(other, f"more-{grey}.png", level(grey))
    dataset = load_folders(thirty, other)
    assert not levels(dataset.held_out) & levels(dataset.training)
    assert sum(source.images + source.held_out for source in dataset.sources) == 60 + 90


def test_the_digest_is_of_the_images_only(thirty: Path) -> None:
    before = load_folders(thirty).digest
    assert load_folders(thirty, split_seed=1).digest == before
    write(thirty, "0.png", level(1))
    assert load_folders(thirty).digest != before


def test_an_epoch_is_the_crops_that_tile_the_training_images(tmp_path: Path) -> None:
    for k in range(4):
        write(tmp_path, f"{k}.png", level(k, 256, 384))
    assert load_folders(tmp_path, share=0.25).crops_per_epoch() == 3 * 6
    assert load_dataset([ImageFolder(tmp_path)], validation_share=0).crops_per_epoch() == 4 * 6


def test_the_real_images_are_all_usable(real_data: Path) -> None:
    dataset = load_folders(real_data / "gavet", real_data / "cwru")
    assert dataset.left_out == []
    assert {source.name: source.images + source.held_out for source in dataset.sources} == {
        "gavet": 20,
        "cwru": 36,
    }


# Images that belong together


def test_folders_that_are_kept_together_are_on_one_side(tmp_path: Path) -> None:
    for patient in range(8):
        for k in range(3):
            write(tmp_path / "data" / f"patient-{patient}", f"{k}.png", blobs(10 * patient + k))
    folder = ImageFolder(tmp_path / "data", keep_folders_together=True)
    dataset = load_dataset([folder], validation_share=0.25)
    held = {image.group for image in dataset.held_out}
    assert len(dataset.held_out) == 6
    assert len(held) == 2
    assert held.isdisjoint(image.group for image in dataset.training)
    assert dataset.sources[0].keep_folders_together
    # Otherwise some patient is on both sides.
    apart = load_dataset([ImageFolder(tmp_path / "data")], validation_share=0.25)
    assert {i.group for i in apart.held_out} & {i.group for i in apart.training}


def test_a_renamed_folder_does_not_change_sides(tmp_path: Path) -> None:
    for patient in range(5):
        write(tmp_path / "data" / f"patient-{patient}", "a.png", blobs(patient))
    folder = ImageFolder(tmp_path / "data", keep_folders_together=True)
    before = load_dataset([folder], validation_share=0.4)
    for patient in range(5):
        (tmp_path / "data" / f"patient-{patient}").rename(tmp_path / "data" / f"renamed-{4 - patient}")
    after = load_dataset([folder], validation_share=0.4)
    assert {i.pixels.tobytes() for i in before.held_out} == {i.pixels.tobytes() for i in after.held_out}
