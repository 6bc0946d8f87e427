"""Cellpose: what is written, and what Cellpose itself reads of it where it is installed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from layout_batches import SEED, START, Made
from PIL import Image

from endotwin.image_range import BATCH
from endotwin.samples.sample import sample_name

NO_CELLPOSE = "cellpose is not installed (the extra test-layouts brings it)"


def test_the_files(write: Callable[..., None], made: Made, tmp_path: Path) -> None:
    write("cellpose", tmp_path / "set", validation_every=4)
    for i, (image, label) in enumerate(zip(made.images, made.labels, strict=True)):
        part = tmp_path / "set" / ("test" if (START + i) % 4 == 3 else "train")
        name = sample_name(SEED, START + i)
        with Image.open(part / f"{name}.png") as pixels:
            assert np.array_equal(np.asarray(pixels), image)
        with Image.open(part / f"{name}_masks.png") as pixels:
            assert pixels.mode == "I;16"
            assert np.array_equal(np.asarray(pixels), label.instances)
    assert len(list((tmp_path / "set").rglob("*.png"))) == 2 * BATCH
    assert {path.name for path in (tmp_path / "set").iterdir()} == {"dataset.json", "test", "train"}


def test_cellpose_loads_every_cell(write: Callable[..., None], made: Made, tmp_path: Path) -> None:
    io = pytest.importorskip("cellpose.io", reason=NO_CELLPOSE)
    write("cellpose", tmp_path / "set", validation_every=4)
    folders = [str(tmp_path / "set" / part) for part in ("train", "test")]
    train, train_cells, train_names, test, test_cells, test_names = io.load_train_test_data(*folders)
    assert (len(train), len(test)) == (12, 4)
    loaded = zip([*train, *test], [*train_cells, *test_cells], [*train_names, *test_names], strict=True)
    for image, cells, name in loaded:
        label_index = int(Path(name).stem.split("-")[1]) - START
        assert np.array_equal(np.squeeze(image), made.images[label_index])
        assert np.array_equal(cells, made.labels[label_index].instances)
