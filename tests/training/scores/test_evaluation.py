"""The recorded score: its protocol, what it is refused for, whether its images are the card's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from plain_network import load_plain

from endotwin.generator.card import Card, FidRecord, FidScore
from endotwin.generator.checkpoint import load_checkpoint, read_card
from endotwin.generator.device import describe_device
from endotwin.generator.sampler import Sampler
from endotwin.image_reading import DataError
from training.data.crops import draw_crops
from training.data.sources import sources_of_card
from training.data.split import Dataset, GreyImage, ImageFolder, load_dataset
from training.scores import evaluation, image_sets
from training.scores.evaluation import evaluate, load_sources, quick_score
from training.scores.fid import features, fid_from_features
from training.scores.image_statistics import image_statistics
from training.scores.inception import find_weights
from training.scores.request import EvaluationError, InceptionError

COUNT = 8


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with one source, `made-up`, of four images of blurred noise."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "made-up").mkdir()
    for k in range(4):
        grey = np.random.default_rng(k).integers(0, 256, size=(40, 50), dtype=np.uint8)
        Image.fromarray(grey).resize((200, 160)).save(folder / "made-up" / f"{k}.png")
    return folder


@pytest.fixture(scope="module")
def dataset(folder: Path) -> Dataset:
    return load_dataset([ImageFolder(folder / "made-up")], validation_share=0.25)


@pytest.fixture(scope="module")
def card(dataset: Dataset, tiny_checkpoint: Path) -> Card:
    """Return the card of a checkpoint that was trained on these images."""
    card = read_card(tiny_checkpoint)
    data = card.data.model_copy(
        update={"image_list_sha256": dataset.digest, "sources": dataset.sources, "validation_share": 0.25}
    )
    return card.model_copy(update={"data": data})


@pytest.fixture
def inception() -> Path:
    try:
        return find_weights()
    except InceptionError as error:
        pytest.skip(str(error).splitlines()[0])


def test_too_few_images_are_refused(tiny_checkpoint: Path, dataset: Dataset) -> None:
    with pytest.raises(EvaluationError, match="at least 2048 images on either side, got 2047"):
        evaluate(load_checkpoint(tiny_checkpoint), dataset, count=2047)


def test_images_of_the_card_are_found_and_split_as_they_were(
    card: Card, folder: Path, dataset: Dataset
) -> None:
    for data in (folder, folder / "made-up"):
        found = load_sources(card, sources_of_card(card, data), data)
        assert found.digest == dataset.digest
        assert [image.file for image in found.held_out] == [image.file for image in dataset.held_out]
        assert found.sources == dataset.sources


def test_other_images_are_refused_and_counted(card: Card, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "made-up").mkdir()
    for path in sorted((folder / "made-up").iterdir())[:3]:
        (tmp_path / "made-up" / path.name).write_bytes(path.read_bytes())
    with pytest.raises(EvaluationError) as caught:
        load_sources(card, sources_of_card(card, tmp_path), tmp_path)
    assert str(caught.value).startswith(f"{tmp_path}: these are not the images that tiny was trained on")
    assert "in the card: made-up: 3 + 1 held out\n  here: made-up: 2 + 1 held out" in str(caught.value)


def test_missing_source_is_named(card: Card, folder: Path) -> None:
    other = card.data.sources[0].model_copy(update={"name": "elsewhere"})
    data = card.data.model_copy(update={"sources": (*card.data.sources, other)})
    with pytest.raises(DataError, match="missing here: elsewhere"):
        sources_of_card(card.model_copy(update={"data": data}), folder)


def test_a_difference_needs_equal_counts_and_seeds(card: Card) -> None:
    assert card.fid is not None

    def with_fid(fid: float, *, count: int = 3000, seed: int = 0) -> FidRecord:
        score = FidScore(fid=fid, first="a", second="b", first_count=count, second_count=count)
        return card.fid.model_copy(update={"generated_training": score, "seed": seed})  # type: ignore[union-attr]

    assert with_fid(30.5).difference_from(with_fid(30.0)) == pytest.approx(0.5)
    assert with_fid(30.5).difference_from(with_fid(30.0, count=2500)) is None
    assert with_fid(30.5).difference_from(with_fid(30.0, seed=1)) is None


@dataclass
class Run:
    """A run that draws its images from an array."""

    images: np.ndarray
    device: str = "cpu"

    def sample(self, count: int) -> np.ndarray:
        return self.images[:count]


def test_quick_score_is_lower_for_images_of_the_set(
    dataset: Dataset, inception: Path, tmp_path: Path
) -> None:
    measure = quick_score(dataset, count=COUNT, inception=inception, cache=tmp_path)
    alike = draw_crops(dataset.training, COUNT, np.random.default_rng(99))
    black = np.zeros_like(alike)
    assert measure(Run(alike)) < 0.5 * measure(Run(black))


def test_quick_score_needs_two_images(dataset: Dataset) -> None:
    with pytest.raises(EvaluationError, match="at least 2 images"):
        quick_score(dataset, count=1)


def test_the_protocol_of_a_record(
    dataset: Dataset, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Images, crops and noise by their seeds, as every card says; features and distance from scratch."""
    monkeypatch.setattr(evaluation, "RECORD_MINIMUM", COUNT)
    monkeypatch.setattr(image_sets, "load_inception", load_plain)
    checkpoint = load_checkpoint(tiny_checkpoint)
    fid, statistics = evaluate(checkpoint, dataset, count=COUNT, seed=5, cache=None, quiet=True)
    assert fid.generated_held_out is not None
    assert fid.real_held_out is not None

    def crops(images: list[GreyImage], part: int) -> np.ndarray:
        return draw_crops(images, COUNT, np.random.default_rng([5, part]))

    images = Sampler(checkpoint).images(5, COUNT)
    sets = (
        images,
        crops(dataset.training, 1),
        crops(dataset.training, 2),
        crops(dataset.held_out, 3),
        np.random.default_rng([5, 4]).integers(0, 256, size=images.shape, dtype=np.uint8),
    )
    model, digest = load_plain()
    assert fid.inception_sha256 == digest
    generated, training, again, held_out, noise = (features(one, model) for one in sets)
    for score, first, second in (
        (fid.generated_training, generated, training),
        (fid.generated_held_out, generated, held_out),
        (fid.real_real, training, again),
        (fid.real_held_out, training, held_out),
        (fid.noise_real, noise, training),
    ):
        assert score.fid == pytest.approx(fid_from_features(first, second), abs=1e-4)
        assert score.counts == (COUNT, COUNT)
    assert (fid.seed, fid.precision) == (5, "float32")
    assert fid.device == describe_device(torch.device("cpu"))
    assert "default_rng([5, k])" in fid.protocol
    assert statistics == image_statistics(sets[0], sets[1])


def test_without_held_out_images_two_scores_are_absent(
    folder: Path, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluation, "RECORD_MINIMUM", 2)
    monkeypatch.setattr(image_sets, "load_inception", load_plain)
    dataset = load_dataset([ImageFolder(folder / "made-up")], validation_share=0.0)
    fid, _ = evaluate(load_checkpoint(tiny_checkpoint), dataset, count=2, cache=None, quiet=True)
    assert fid.generated_held_out is None
    assert fid.real_held_out is None
    assert fid.noise_real.fid > 0
