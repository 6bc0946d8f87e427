"""What a segmenter sees: crops of annotated images, labelled blocks, light changes of both."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from made_up_mosaics import VoronoiBlocks, write_annotated
from scipy import ndimage

from training.trial.annotated_images import read_annotated
from training.trial.batches import BLOCKS_OF_SEED, BorderBatch, RealBatches, SyntheticBatches
from training.trial.borders import thick
from training.trial.labelled_source import ASIDE, LabelledSource
from training.trial.segmenter_augmentation import ZOOM, ZOOM_CHANCE, augmented
from training.trial.trial_data import TrainingSet


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_annotated(tmp_path_factory.mktemp("made-up"), range(2))


@pytest.fixture(scope="module")
def training(folder: Path) -> list[TrainingSet]:
    return [TrainingSet("made-up", 1.0, [read_annotated(folder, f"{k}.png") for k in range(2)])]


def test_a_batch_depends_on_seed_and_step_alone(training: list[TrainingSet]) -> None:
    first = RealBatches(training, seed=3)
    first.batch(0)
    again = RealBatches(training, seed=3).batch(1)
    assert (first.batch(1).images == again.images).all()
    assert (RealBatches(training, seed=4).batch(1).images != again.images).any()
    assert (first.batch(2).images != again.images).any()


def test_crops_come_with_their_own_borders_and_area(training: list[TrainingSet]) -> None:
    batch = RealBatches(training, seed=0).batch(0)
    assert batch.images.shape == batch.borders.shape == batch.areas.shape == (16, 128, 128)
    known = [(image.pixels, thick(image.lines), image.area) for image in training[0].images]
    for crop in zip(batch.images, batch.borders, batch.areas, strict=True):
        assert any(_is_crop_of(crop, whole) for whole in known)
        assert crop[2].any()


def _is_crop_of(crop: tuple[np.ndarray, ...], whole: tuple[np.ndarray, ...]) -> bool:
    height, width = whole[0].shape
    for top in range(height - 127):
        for left in range(width - 127):
            place = (slice(top, top + 128), slice(left, left + 128))
            if (whole[0][place][0] == crop[0][0]).all():
                return all((a[place] == b).all() for a, b in zip(whole, crop, strict=True))
    return False


def test_an_image_smaller_than_a_crop_is_mirrored_without_annotation(tmp_path: Path) -> None:
    narrow = read_annotated(write_annotated(tmp_path / "narrow", range(1), width=100), "0.png")
    batch = RealBatches([TrainingSet("narrow", 1.0, [narrow])], seed=0).batch(0)
    assert (batch.images[:, :, 100:] == batch.images[:, :, 72:100][:, :, ::-1]).all()
    assert not batch.areas[:, :, 100:].any()
    assert not batch.borders[:, :, 101:].any()


def test_sources_are_drawn_by_weight(training: list[TrainingSet]) -> None:
    one, two = training[0].images
    sets = [TrainingSet("one", 3.0, [one]), TrainingSet("two", 1.0, [two])]
    batches = RealBatches(sets, seed=0)
    counted = sum(
        _is_crop_of((crop,), (one.pixels,)) for step in range(6) for crop in batches.batch(step).images
    )
    assert counted / 96 == pytest.approx(0.75, abs=0.12)


def test_synthetic_blocks_are_used_once_and_wholly_annotated() -> None:
    blocks = VoronoiBlocks()
    source = LabelledSource("voronoi", "1", blocks.block)
    first, second = (SyntheticBatches(source, seed=seed) for seed in (0, 1))
    batch = first.batch(2)
    second.batch(0)
    assert blocks.asked == [2, BLOCKS_OF_SEED]
    assert batch.areas.all()
    images, borders = VoronoiBlocks().block(2)
    assert (batch.images == images).all()
    drawn = borders == 255
    distance = ndimage.distance_transform_edt(~batch.borders, sampling=(1000, 1, 1))  # images apart
    inside = np.s_[:, 8:-8, 8:-8]  # a line that ends at the edge of the image is thinned there
    assert distance[inside][drawn[inside]].max() < 4
    away = distance[drawn]
    assert 0.8 < (away == 0).mean() < 0.99  # displaced by a pixel or so of the band's one and a half
    assert 2.0 < batch.borders.sum() / drawn.sum() < 3.2  # lines of one pixel → bands of three
    assert (first.batch(2).borders == batch.borders).all()


def test_no_seed_is_trained_on_what_is_set_aside() -> None:
    blocks = VoronoiBlocks()
    source = LabelledSource("voronoi", "1", blocks.block)
    one, other = (SyntheticBatches(source, seed=seed).aside(2) for seed in (0, 1))
    assert blocks.asked == [ASIDE, ASIDE + 1] * 2
    for a, b in zip(one, other, strict=True):
        assert (a.images == b.images).all()
        assert (a.borders == b.borders).all()
    assert 1023 * BLOCKS_OF_SEED + BLOCKS_OF_SEED - 1 < ASIDE


def test_a_source_that_breaks_its_promise_is_named() -> None:
    def block(index: int) -> tuple[np.ndarray, np.ndarray]:
        return np.zeros((16, 128, 128), np.uint8), np.zeros((16, 64, 64), np.uint8)

    with pytest.raises(
        ValueError, match=r"wrong: borders must be uint8 \(16, 128, 128\), got uint8 \(16, 64, 64\)"
    ):
        SyntheticBatches(LabelledSource("wrong", "1", block), seed=0).batch(0)


def test_augmentation_moves_image_and_labels_alike() -> None:
    """An image that is its own label, but for noise, is still so afterwards."""
    rng = np.random.default_rng(0)
    borders = np.zeros((16, 128, 128), dtype=bool)
    borders[:, 20:60, 30:40] = borders[:, 90:100, 5:120] = True
    areas = np.zeros_like(borders)
    areas[:, :70, :50] = True
    images, turned, turned_areas = augmented(
        BorderBatch(np.where(borders, 60, 180).astype(np.uint8), borders, areas), rng
    )
    assert images.dtype == np.float32
    assert images.min() >= 0
    assert images.max() <= 1
    for image, border, area in zip(images, turned, turned_areas, strict=True):
        assert image[border].mean() < image[~border].mean() - 0.2
        # The area covers the first block alone, however the image was turned; an enlarged one ends sooner.
        assert 0.8 * 400 / 3500 < (border & area).sum() / area.sum() < 0.31
    assert len({border.tobytes() for border in turned}) > 4
    assert len({round(float(image.mean()), 4) for image in images}) == 16


def test_half_of_the_images_have_cells_of_another_size() -> None:
    """A square in the middle grows with the image; what a smaller image leaves free is not labelled."""
    count, half = 640, 20
    square = np.zeros((count, 128, 128), dtype=bool)
    square[:, 64 - half : 64 + half, 64 - half : 64 + half] = True
    batch = BorderBatch(np.where(square, 60, 180).astype(np.uint8), square, np.ones_like(square))
    _, squares, areas = augmented(batch, np.random.default_rng(3))
    factors = np.sqrt(squares.sum(axis=(1, 2))) / (2 * half)
    kept = factors == 1
    assert kept.mean() == pytest.approx(1 - ZOOM_CHANCE, abs=0.07)
    assert ZOOM[0] - 0.03 < factors.min() < ZOOM[0] + 0.05
    assert ZOOM[1] - 0.05 < factors.max() < ZOOM[1] + 0.03
    labelled = np.sqrt(areas.mean(axis=(1, 2)))
    assert np.allclose(labelled, np.minimum(factors, 1), atol=0.05)  # even numbers of pixels


def test_augmentation_depends_on_its_generator_alone() -> None:
    images, borders = VoronoiBlocks().block(0)
    batch = BorderBatch(images, borders > 0, np.ones(borders.shape, dtype=bool))
    one, other = (augmented(batch, np.random.default_rng(5)) for _ in range(2))
    assert all((a == b).all() for a, b in zip(one, other, strict=True))
