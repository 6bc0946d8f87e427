"""Test sets: annotated or counted, of one size of cells."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from made_up_mosaics import write_annotated, write_counted

from endotwin.image_reading import DataError
from endotwin.segmentation.cells import cells_from_borders
from training.trial.annotated_images import AnnotatedImage, read_annotated
from training.trial.borders import thick
from training.trial.cells import count_cells
from training.trial.counted_images import CountedImage
from training.trial.test_sets import read_test_folder, zoom_between


def test_another_modality_is_resized_to_the_size_of_cells_trained_on(tmp_path: Path) -> None:
    folder = write_annotated(tmp_path / "made-up", range(2))
    native = read_annotated(folder, "0.png")
    found = read_test_folder(folder, 2 * native.cell_area)
    assert (found.name, [image.file for image in found.images]) == ("made-up", ["0.png", "1.png"])
    assert found.factor == pytest.approx(2**0.5, rel=0.05)
    image = found.images[0]
    assert isinstance(image, AnnotatedImage)
    assert image.pixels.shape == tuple(round(found.factor * size) for size in native.pixels.shape)
    assert image.cell_area == pytest.approx(found.factor**2 * native.cell_area, rel=0.02)
    assert found.cell_area == pytest.approx(2 * native.cell_area, rel=0.02)
    assert (found.plain[0] == native.pixels).all()
    # No border has a gap: the cells are those that the expert drew.
    cells = count_cells(cells_from_borders(thick(image.lines)), image.area)
    assert cells.cells == image.cells == native.cells


def test_cells_of_about_one_size_are_left_as_they_are(tmp_path: Path) -> None:
    folder = write_annotated(tmp_path / "made-up", range(1))
    native = read_annotated(folder, "0.png")
    for share in (0.7, 1.0, 1.5):
        found = read_test_folder(folder, share * native.cell_area)
        assert found.factor == 1
        assert (found.images[0].pixels == native.pixels).all()
    assert read_test_folder(folder, None).factor == 1
    assert zoom_between(400, 100) == 0.5
    assert zoom_between(100, 150) == 1


def test_counted_images_are_read_where_there_are_no_borders(tmp_path: Path) -> None:
    folder = write_counted(tmp_path / "made-up", range(2))
    found = read_test_folder(folder, None)
    assert all(isinstance(image, CountedImage) for image in found.images)
    lines = sum(len((folder / "centres" / f"{k}.csv").read_text().split()) - 1 for k in range(2))
    assert found.cells == lines
    larger = read_test_folder(folder, 4 * found.cell_area)
    assert larger.factor == pytest.approx(2, rel=0.1)
    assert larger.cells == found.cells


def test_some_images_of_a_set_are_spread_over_it(tmp_path: Path) -> None:
    found = read_test_folder(write_annotated(tmp_path / "made-up", range(7)), None)
    few = found.first(3)
    assert [image.file for image in few.images] == ["0.png", "3.png", "6.png"]
    assert [plain.tobytes() for plain in few.plain] == [image.pixels.tobytes() for image in few.images]
    assert few.digest() != found.digest()
    assert found.first(7) is found
    assert [image.file for image in found.first(1).images] == ["0.png"]


def test_a_folder_of_which_nothing_is_known_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no folder `images`"):
        read_test_folder(tmp_path, 400)
    folder = write_annotated(tmp_path / "made-up", range(1))
    (folder / "cells" / "0.png").unlink()
    with pytest.raises(DataError, match="no image of it has files in `borders` and `cells`, or a file in"):
        read_test_folder(folder, 400)


def test_the_digest_is_of_images_and_what_is_known_of_them(tmp_path: Path) -> None:
    found = read_test_folder(write_annotated(tmp_path / "made-up", range(2)), None)
    assert found.digest() == read_test_folder(tmp_path / "made-up", None).digest()
    other = read_test_folder(write_annotated(tmp_path / "made-up", range(1, 2)), None)
    assert other.digest() == found.digest()  # the same image was written again
    np.testing.assert_array_equal(other.plain[1], found.plain[1])
    assert (
        read_test_folder(write_annotated(tmp_path / "others", range(2, 4)), None).digest() != found.digest()
    )
