"""Folders of images and masks, read by the Dataset of the documentation."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from documentation import snippet
from layout_batches import SEED, START, Made
from PIL import Image
from torch.utils.data import DataLoader

from endotwin.image_range import BATCH
from endotwin.samples.sample import sample_name


def test_every_label_that_is_an_image_has_a_folder(
    write: Callable[..., None], made: Made, tmp_path: Path
) -> None:
    write("masks", tmp_path / "set", "borders", "soft", "instances", "guttae", validation_every=4)
    parts = {"train", "validation"}
    assert {path.name for path in (tmp_path / "set").iterdir()} == {"dataset.json", *parts}
    fields = {"masks": "borders", "soft": "soft", "instances": "instances", "guttae": "guttae"}
    for i, label in enumerate(made.labels):
        part = "validation" if (START + i) % 4 == 3 else "train"
        for folder, field in fields.items():
            path = tmp_path / "set" / part / folder / f"{sample_name(SEED, START + i)}.png"
            with Image.open(path) as image:
                assert image.mode == ("I;16" if field == "instances" else "L")
                assert np.array_equal(np.asarray(image), getattr(label, field))


def test_a_table_has_the_parameters_of_every_image(
    write: Callable[..., None], made: Made, tmp_path: Path
) -> None:
    write("masks", tmp_path / "set", validation_every=4)
    rows = {}
    for part in ("train", "validation"):
        with (tmp_path / "set" / part / "parameters.csv").open(newline="") as file:
            for row in csv.DictReader(file):
                index = int(row.pop("index"))
                assert (index % 4 == 3) == (part == "validation")
                assert row.pop("key") == sample_name(SEED, index)
                rows[index - START] = {name: float(value) if value else None for name, value in row.items()}
    for i, label in enumerate(made.labels):
        asked = {f"asked_{name}": value for name, value in asdict(label.asked).items()}
        assert rows.pop(i) == asked | {f"measured_{k}": v for k, v in asdict(label.measured).items()}
    assert rows == {}


def test_the_documented_dataset_reads_them(
    write: Callable[..., None], made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("masks", tmp_path / "plain")
    monkeypatch.chdir(tmp_path)
    names = snippet("class Cells")
    batches = list(DataLoader(names["cells"], batch_size=BATCH))
    assert len(batches) == 1
    image, mask, instances = batches[0]
    assert torch.equal(image, torch.from_numpy(made.images)[:, None] / 255)
    for i, label in enumerate(made.labels):
        assert np.array_equal(mask[i, 0].numpy(), label.borders // 255)
        assert np.array_equal(instances[i].numpy(), label.instances)
        assert torch.equal(mask[i, 0] > 0, instances[i] == 0)


def test_what_is_not_visible_has_a_class_that_losses_ignore(
    write: Callable[..., None], made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("masks", tmp_path / "visible", "borders", "visible")
    for i, label in enumerate(made.labels):
        with Image.open(tmp_path / "visible" / "classes" / f"{sample_name(SEED, START + i)}.png") as image:
            classes = np.asarray(image)
        assert np.array_equal(classes == 255, label.visible == 0)
        assert np.array_equal(classes[label.visible > 0], label.borders[label.visible > 0] // 255)
    monkeypatch.chdir(tmp_path)
    assert torch.isfinite(snippet("visible/classes")["loss"])
