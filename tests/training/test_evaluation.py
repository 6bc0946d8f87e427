"""The recorded score: its protocol, what it is refused for, and the `evaluate` command's logic."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training import evaluation
from training.card import Card, FidRecord, FidScore, ImageStatistics
from training.checkpoint import load_checkpoint, read_card, save_checkpoint
from training.evaluation import (
    Evaluation,
    EvaluationError,
    evaluate,
    load_sources,
    quick_score,
    run_evaluation,
)
from training.images import DataError, Dataset, ImageFolder, draw_crops, load_dataset
from training.inception import InceptionError, find_weights
from training.sampler import Sampler
from training.statistics import image_statistics

COUNT = 12


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


def with_fid(record: FidRecord | None, fid: float, count: int = 3000) -> FidRecord:
    """Return a record whose main score has another value and another count."""
    assert record is not None
    score = FidScore(fid=fid, first="a", second="b", first_count=count, second_count=count)
    return record.model_copy(update={"generated_training": score})


def result(measured: FidRecord, recorded: FidRecord | None) -> Evaluation:
    images = np.random.default_rng(0).integers(0, 256, size=(2, 128, 128), dtype=np.uint8)
    return Evaluation(
        name="tiny",
        checkpoint_sha256="0" * 64,
        measured=measured,
        statistics=image_statistics(images, images),
        labels=None,
        recorded=recorded,
    )


def test_too_few_images_are_refused(tiny_checkpoint: Path, dataset: Dataset) -> None:
    with pytest.raises(EvaluationError, match="at least 2048 images on either side, got 2047"):
        evaluate(load_checkpoint(tiny_checkpoint), dataset, count=2047)


def test_images_of_the_card_are_found_and_split_as_they_were(
    card: Card, folder: Path, dataset: Dataset
) -> None:
    for data in (folder, folder / "made-up"):
        found = load_sources(card, data)
        assert found.digest == dataset.digest
        assert [image.file for image in found.held_out] == [image.file for image in dataset.held_out]
        assert found.sources == dataset.sources


def test_other_images_are_refused_and_counted(card: Card, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "made-up").mkdir()
    for path in sorted((folder / "made-up").iterdir())[:3]:
        (tmp_path / "made-up" / path.name).write_bytes(path.read_bytes())
    with pytest.raises(EvaluationError) as caught:
        load_sources(card, tmp_path)
    assert "not the images that tiny was trained on" in str(caught.value)
    assert "made-up: 3 + 1 held out in the card, 2 + 1 here" in str(caught.value)


def test_missing_source_is_named(card: Card, folder: Path) -> None:
    other = card.data.sources[0].model_copy(update={"name": "elsewhere"})
    data = card.data.model_copy(update={"sources": (*card.data.sources, other)})
    with pytest.raises(DataError, match="missing here: elsewhere"):
        load_sources(card.model_copy(update={"data": data}), folder)


def test_difference_is_only_told_at_equal_counts(card: Card) -> None:
    assert result(with_fid(card.fid, 30.5), with_fid(card.fid, 30.0)).difference == pytest.approx(0.5)
    assert result(with_fid(card.fid, 30.5), with_fid(card.fid, 30.0, count=2500)).difference is None
    assert result(with_fid(card.fid, 30.5), None).difference is None


def test_table_shows_what_was_measured_beside_the_card(card: Card) -> None:
    text = result(with_fid(card.fid, 30.5), with_fid(card.fid, 30.0)).table()
    row = next(line for line in text.splitlines() if line.startswith("a / b"))
    assert row.split()[-2:] == ["30.50", "30.00"]
    assert "3,000 / 3,000" in row
    assert "FID differs from the card's by +0.500" in text
    assert "training crops / training crops" in text
    assert "uniform noise / training crops" in text


def test_table_does_not_compare_other_counts(card: Card) -> None:
    text = result(with_fid(card.fid, 30.5), with_fid(card.fid, 30.0, count=2500)).table()
    row = next(line for line in text.splitlines() if line.startswith("a / b"))
    assert row.split()[-2:] == ["30.50", "-"]
    assert "measured at 2,500 / 2,500 images; scores at other counts cannot be compared" in text


def test_table_without_held_out_images_or_card(card: Card) -> None:
    measured = with_fid(card.fid, 30.5).model_copy(
        update={"generated_held_out": None, "real_held_out": None}
    )
    text = result(measured, None).table()
    assert "held-out" not in text
    assert "the card holds no FID" in text


@dataclass
class Run:
    """A run that draws its images from an array."""

    images: np.ndarray
    device: str = "cpu"

    def sample(self, count: int) -> np.ndarray:
        return self.images[:count]


def test_quick_score_tells_like_from_unlike(dataset: Dataset, inception: Path, tmp_path: Path) -> None:
    measure = quick_score(dataset, count=COUNT, inception=inception, cache=tmp_path)
    alike = draw_crops(dataset.training, COUNT, np.random.default_rng(99))
    black = np.zeros_like(alike)
    assert measure(Run(alike)) < 0.5 * measure(Run(black))


def test_quick_score_needs_two_images(dataset: Dataset) -> None:
    with pytest.raises(EvaluationError, match="at least 2 images"):
        quick_score(dataset, count=1)


def test_evaluation_from_end_to_end(
    card: Card,
    folder: Path,
    dataset: Dataset,
    inception: Path,
    tiny_checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What `endotwin-training evaluate` does, at a count that takes seconds; the second run reproduces."""
    monkeypatch.setattr(evaluation, "MINIMUM_COUNT", COUNT)
    path = tmp_path / "tiny.safetensors"
    checkpoint = load_checkpoint(tiny_checkpoint)
    cache = tmp_path / "features"
    fid, statistics = evaluate(
        checkpoint, dataset, count=COUNT, seed=5, inception=inception, cache=cache, quiet=True
    )
    assert fid.generated_held_out is not None
    assert fid.real_held_out is not None
    for measured in (
        fid.generated_training,
        fid.generated_held_out,
        fid.real_real,
        fid.real_held_out,
        fid.noise_real,
    ):
        assert (measured.first_count, measured.second_count) == (COUNT, COUNT)
    assert fid.real_real.fid < fid.generated_training.fid
    assert fid.real_real.fid < fid.noise_real.fid
    assert (fid.seed, fid.device, fid.precision) == (5, "cpu", "float32")
    assert "default_rng([5, k])" in fid.protocol
    generated = np.concatenate(list(Sampler(checkpoint).images(5, 0, COUNT)))
    crops = draw_crops(dataset.training, COUNT, np.random.default_rng([5, 1]))
    assert statistics == image_statistics(generated, crops)

    save_checkpoint(path, checkpoint.generator, card.model_copy(update={"fid": fid}))
    output = tmp_path / "out"
    again = run_evaluation(
        path, folder, output=output, count=COUNT, inception=inception, cache=cache, quiet=True
    )
    assert again.difference == 0.0
    assert again.measured == fid
    written = json.loads((output / "evaluation.json").read_text())
    assert written["difference"] == 0.0
    assert FidRecord.model_validate(written["measured"]) == fid
    assert ImageStatistics.model_validate(written["statistics"]) == statistics
    assert sorted(p.name for p in output.iterdir()) == ["evaluation.json", "generated.png", "spectra.png"]


def test_without_held_out_images_two_scores_are_absent(
    folder: Path, inception: Path, tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluation, "MINIMUM_COUNT", 2)
    dataset = load_dataset([ImageFolder(folder / "made-up")], validation_share=0.0)
    fid, _ = evaluate(
        load_checkpoint(tiny_checkpoint), dataset, count=2, inception=inception, cache=tmp_path, quiet=True
    )
    assert fid.generated_held_out is None
    assert fid.real_held_out is None
    assert fid.noise_real.fid > 0
