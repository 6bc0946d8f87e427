"""Real images with borders: read, trimmed, resized; what is wrong with them is said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from made_up_mosaics import write_annotated
from PIL import Image

from training.data.read import DataError
from training.trial.annotated_images import MARGIN, read_annotated, read_foreign
from training.trial.borders import thick
from training.trial.cells import cells_from_borders, count_cells


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


def test_another_modality_is_resized_to_the_size_of_cells_trained_on(tmp_path: Path) -> None:
    folder = write_annotated(tmp_path / "made-up", range(2))
    native = read_annotated(folder, "0.png")
    images, factor = read_foreign(folder, cell_area=2 * native.cell_area)
    assert [image.file for image in images] == ["0.png", "1.png"]
    assert factor == pytest.approx(2**0.5, rel=0.05)
    assert images[0].pixels.shape == tuple(round(factor * size) for size in native.pixels.shape)
    assert images[0].cell_area == pytest.approx(factor**2 * native.cell_area, rel=0.02)
    # No border has a gap: the cells are those that the expert drew.
    found = count_cells(cells_from_borders(thick(images[0].lines)), images[0].area)
    assert found.cells == images[0].cells == native.cells


def test_a_folder_without_annotated_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no folder `images`"):
        read_foreign(tmp_path, cell_area=400)
    folder = write_annotated(tmp_path / "made-up", range(1))
    (folder / "cells" / "0.png").unlink()
    with pytest.raises(DataError, match="no image of it has a file in `borders` and in `cells`"):
        read_foreign(folder, cell_area=400)


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
