"""Memorisation: planted generators that copy, and generators that do not, on drawn mosaics."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from made_up_cells import picture
from PIL import Image

from endotwin.image_reading import DataError
from training.data.crops import draw_crops
from training.data.split import Dataset, ImageFolder, load_dataset
from training.scores.memorisation.figures import (
    draw_nearest,
    draw_pairs,
    plot_similarities,
    training_crop,
)
from training.scores.memorisation.measurement import comparison_count, measure_memorisation
from training.scores.memorisation.record import Memorisation

COUNT = 24


def write(folder: Path, images: dict[str, np.ndarray]) -> Path:
    folder.mkdir(parents=True)
    for name, pixels in images.items():
        Image.fromarray(pixels).save(folder / f"{name}.png")
    return folder


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("data") / "drawn"
    return load_dataset([ImageFolder(write(folder, {str(k): picture(k, 150, 170) for k in range(10)}))])


def copies(images: np.ndarray) -> np.ndarray:
    """Return images at another brightness and with noise."""
    rng = np.random.default_rng(3)
    return (0.8 * images + 10 + rng.normal(0, 6, images.shape)).clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def replayed(dataset: Dataset) -> np.ndarray:
    return copies(draw_crops(dataset.training, COUNT, np.random.default_rng(1)))


@pytest.fixture(scope="module")
def of_replayed(dataset: Dataset, replayed: np.ndarray) -> Memorisation:
    return measure_memorisation(replayed, dataset)


@pytest.fixture(scope="module")
def independent() -> np.ndarray:
    return np.stack([picture(seed, 128, 128) for seed in range(100, 100 + COUNT)])


def test_a_generator_that_replays_training_crops_is_caught(of_replayed: Memorisation) -> None:
    assert of_replayed.verdict == "copies training images"
    assert of_replayed.beyond == of_replayed.copies == COUNT
    assert of_replayed.share_beyond == 1.0
    assert "24 images are copies" in of_replayed.sentence
    assert of_replayed.preference is not None
    assert of_replayed.preference.nearer_to_training > 0.5


def test_a_few_copies_among_other_images_are_caught(
    dataset: Dataset, replayed: np.ndarray, independent: np.ndarray
) -> None:
    found = measure_memorisation(np.concatenate([independent[:20], replayed[:2]]), dataset)
    assert found.verdict == "copies training images"
    assert found.copies == 2
    assert {pair.index for pair in found.nearest[:2]} == {20, 21}


def test_a_generator_that_replays_held_out_crops_copies_no_training_image(dataset: Dataset) -> None:
    held_out = copies(draw_crops(dataset.held_out, COUNT, np.random.default_rng(2)))
    found = measure_memorisation(held_out, dataset)
    assert found.verdict == "no copies found"
    assert found.copies == 0
    assert found.generated_held_out.quantiles["0"] > 0.6
    assert found.preference is not None
    assert found.preference.nearer_to_training == 0.0
    assert found.preference.nearer_to_training < found.preference.luck_low


def test_independent_mosaics_are_no_copies(dataset: Dataset, independent: np.ndarray) -> None:
    done: list[int] = []
    found = measure_memorisation(independent, dataset, progress=done.append)
    assert found.verdict == "no copies found"
    assert found.copies == 0
    assert sum(done) == comparison_count(COUNT, dataset)
    assert found.generated_training.count == found.control.count == COUNT
    assert sum(found.generated_training.histogram) == COUNT
    assert (found.training_images, found.held_out_images, found.held_out_overlapping) == (8, 2, 0)
    assert found.preference is not None
    assert found.preference.images == 2
    assert found.preference.luck_low <= 0.5 <= found.preference.luck_high


def test_the_pairs_lead_to_the_crops(
    dataset: Dataset, replayed: np.ndarray, of_replayed: Memorisation
) -> None:
    assert len(of_replayed.nearest) == 10
    similarities = [pair.similarity for pair in of_replayed.nearest]
    assert similarities == sorted(similarities, reverse=True)
    for pair in of_replayed.nearest:
        generated = replayed[pair.index].astype(float).ravel()
        crop = training_crop(dataset, pair).astype(float).ravel()
        assert np.corrcoef(generated, crop)[0, 1] > 0.8


def test_a_held_out_image_of_the_same_place_is_no_control(tmp_path: Path) -> None:
    """Two images of one eye, that overlap, fall on different sides of the split."""
    large = picture(50, 150, 260)
    images = {str(k): picture(k, 150, 170) for k in range(8)}
    images |= {"left": large[:, :200], "right": large[:, 50:]}
    folder = write(tmp_path / "drawn", images)
    for seed in range(50):
        dataset = load_dataset([ImageFolder(folder)], split_seed=seed)
        held = {image.file for image in dataset.held_out}
        if len(held & {"left.png", "right.png"}) == 1:
            break
    independent = np.stack([picture(seed, 128, 128) for seed in range(200, 212)])
    found = measure_memorisation(independent, dataset)
    assert (found.held_out_images, found.held_out_overlapping) == (1, 1)
    assert found.threshold < 0.6
    assert found.verdict == "no copies found"


def test_without_held_out_images_there_is_no_answer(tmp_path: Path, independent: np.ndarray) -> None:
    folder = write(tmp_path / "drawn", {str(k): picture(k, 150, 170) for k in range(2)})
    dataset = load_dataset([ImageFolder(folder)], validation_share=0.0)
    with pytest.raises(DataError, match="validation share above 0"):
        measure_memorisation(independent, dataset)


def test_one_image_on_both_sides_leaves_no_control(tmp_path: Path, independent: np.ndarray) -> None:
    large = picture(50, 150, 180)
    folder = write(tmp_path / "drawn", {"left": large[:, :170], "right": large[:, 10:]})
    with pytest.raises(DataError, match="all 1 of them show places"):
        measure_memorisation(independent, load_dataset([ImageFolder(folder)]))


def test_the_record_survives_json(of_replayed: Memorisation) -> None:
    assert Memorisation.model_validate_json(of_replayed.model_dump_json()) == of_replayed


def test_figures_are_drawn(dataset: Dataset, replayed: np.ndarray, of_replayed: Memorisation) -> None:
    for png in (
        plot_similarities(of_replayed),
        draw_nearest(replayed, of_replayed),
        draw_pairs(replayed, dataset, of_replayed),
    ):
        assert png.startswith(b"\x89PNG")


def test_real_crops_replayed_are_caught_and_held_out_ones_are_not(real_data: Path) -> None:
    dataset = load_dataset([ImageFolder(real_data / "gavet")])
    replayed = copies(draw_crops(dataset.training, 6, np.random.default_rng(1)))
    held_out = copies(draw_crops(dataset.held_out, 6, np.random.default_rng(2)))
    assert measure_memorisation(replayed, dataset).verdict == "copies training images"
    assert measure_memorisation(held_out, dataset).copies == 0
