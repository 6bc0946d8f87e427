"""Real images with borders: read, trimmed, resized; what is wrong with them is said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from made_up_mosaics import write_annotated
from PIL import Image

from endotwin.image_reading import DataError
from training.trial.annotated_images import MARGIN, read_annotated


def test_an_image_is_read_with_lines_area_and_number_of_cells(tmp_path: Path) -> None:
    folder = write_annotated(tmp_path / "made-up", range(1))
    image = read_annotated(folder, "0.png")
    cells = np.asarray(Image.open(folder / "cells" / "0.png"))
    assert image.pixels.dtype == np.uint8
    assert image.lines.shape == image.area.shape == image.pixels.shape
    assert image.cells == len(np.unique(cells)) - 1
    assert image.cell_area == pytest.approx(20 * 20 * 0.866, rel=0.1)


def test_an_image_is_trimmed_to_its_annotated_area_and_a_margin(tmp_path: Path) -> None:
    folder = write_annotated(tmp_path / "made-up", range(1), height=300, width=200)
    for part in ("borders", "cells"):  # the expert drew the lower half only
        drawn = np.array(Image.open(folder / part / "0.png"))
        drawn[:150] = 0
        Image.fromarray(drawn).save(folder / part / "0.png")
    image = read_annotated(folder, "0.png")
    whole = np.asarray(Image.open(folder / "images" / "0.png"))
    top = int(np.flatnonzero(image.area.any(axis=1))[0])
    assert top == MARGIN
    assert image.pixels.shape[1] == 200
    assert (image.pixels == whole[-len(image.pixels) :]).all()


def test_borders_of_another_size_are_refused_by_name(tmp_path: Path) -> None:
    folder = write_annotated(tmp_path / "made-up", range(1))
    Image.new("L", (30, 20)).save(folder / "borders" / "0.png")
    with pytest.raises(DataError, match=r"borders/0\.png: 30 × 20 pixels, but the image has 170 × 150"):
        read_annotated(folder, "0.png")


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (Image.new("I;16", (170, 150)), "holds no cell"),
        (Image.new("RGB", (170, 150)), "one channel, this image has 3"),
    ],
)
def test_cells_that_are_none_are_refused_by_name(tmp_path: Path, cells: Image.Image, message: str) -> None:
    folder = write_annotated(tmp_path / "made-up", range(1))
    cells.save(folder / "cells" / "0.png")
    with pytest.raises(DataError, match=rf"cells/0\.png: .*{message}"):
        read_annotated(folder, "0.png")


def test_a_broken_instance_map_is_refused_by_name(tmp_path: Path) -> None:
    folder = write_annotated(tmp_path / "made-up", range(1))
    (folder / "cells" / "0.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"cells/0\.png: cannot be read as an image"):
        read_annotated(folder, "0.png")


def test_an_image_with_too_little_around_its_area_is_refused(tmp_path: Path) -> None:
    folder = write_annotated(tmp_path / "made-up", range(1), width=60)
    with pytest.raises(DataError, match=r"0\.png: 60 × 150 pixels around .*at least 64 × 64"):
        read_annotated(folder, "0.png")
