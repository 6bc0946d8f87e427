"""Hugging Face's imagefolder, read by `datasets`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import datasets
import numpy as np
import pytest
from documentation import snippet
from layout_batches import SEED, START, Made

from endotwin.image_range import BATCH
from endotwin.samples.sample import sample_name


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)


def check(row: dict[str, object], made: Made, label_names: tuple[str, ...]) -> None:
    i = row["index"] - START
    label = made.labels[i]
    assert row["key"] == sample_name(SEED, START + i)
    assert np.array_equal(np.asarray(row["image"]), made.images[i])
    for name in label_names:
        assert np.array_equal(np.asarray(row[name]), getattr(label, name))
    assert row["measured"] == asdict(label.measured)
    asked = asdict(label.asked)
    assert asked.pop("age") is None
    assert row["asked"] == asked


def test_columns_of_both_parts(write: Callable[..., None], made: Made, tmp_path: Path) -> None:
    labels = ("borders", "soft", "instances", "guttae")
    write("imagefolder", tmp_path / "set", *labels, "parameters", validation_every=4)
    loaded = datasets.load_dataset(str(tmp_path / "set"))
    assert {part: rows.num_rows for part, rows in loaded.items()} == {"train": 12, "validation": 4}
    for part, rows in loaded.items():
        assert rows.column_names == ["image", *labels, "key", "index", "asked", "measured"]
        for row in rows:
            assert (row["index"] % 4 == 3) == (part == "validation")
            check(row, made, labels)


def test_streamed(write: Callable[..., None], made: Made, tmp_path: Path) -> None:
    write("imagefolder", tmp_path / "set")
    rows = list(datasets.load_dataset(str(tmp_path / "set"), split="train", streaming=True))
    assert [row["index"] for row in rows] == list(range(START, START + BATCH))
    for row in rows:
        check(row, made, ("borders", "instances"))


def test_parameters_only_where_asked_for(write: Callable[..., None], tmp_path: Path) -> None:
    write("imagefolder", tmp_path / "set", "borders")
    rows = datasets.load_dataset(str(tmp_path / "set"), split="train")
    assert rows.column_names == ["image", "borders", "key", "index"]


def test_the_card_is_one_that_hugging_face_reads(write: Callable[..., None], tmp_path: Path) -> None:
    write("imagefolder", tmp_path / "set")
    hub = pytest.importorskip("huggingface_hub")  # comes with datasets
    card = hub.DatasetCard.load(tmp_path / "set" / "README.md")
    assert card.data.license == "other"
    assert card.data.task_categories == ["image-segmentation"]
    assert "| conditions | guttae 0.1:0.2 |" in card.text
    assert "- `instances`: the number of a cell" in card.text
    assert "- `guttae`:" not in card.text


def test_the_documented_lines(
    write: Callable[..., None], made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("imagefolder", tmp_path / "hub")
    monkeypatch.chdir(tmp_path)
    names = snippet("load_dataset")
    check(names["row"], made, ("borders", "instances"))
    assert names["dense"].num_rows == sum(label.measured.density > 2000 for label in made.labels)
