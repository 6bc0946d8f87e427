"""Boxes around what experts drew, and data sets that are made of nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training.data.annotated_box import move_box, read_annotated_box
from training.data.split import ImageFolder, load_dataset


def write(folder: Path, name: str, seed: int, cells: tuple[int, int, int, int] | None) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, size=(300, 260), dtype=np.uint8)
    (folder / "images").mkdir(parents=True, exist_ok=True)
    (folder / "cells").mkdir(exist_ok=True)
    Image.fromarray(pixels).save(folder / "images" / name)
    if cells is not None:
        drawn = np.zeros((300, 260), dtype=np.uint16)
        top, left, bottom, right = cells
        drawn[top:bottom, left:right] = 300
        Image.fromarray(drawn).save(folder / "cells" / name)


def test_the_box_holds_all_cells(tmp_path: Path) -> None:
    write(tmp_path, "a.png", 0, (20, 30, 200, 230))
    write(tmp_path, "b.png", 1, (5, 5, 5, 5))
    write(tmp_path, "c.png", 2, None)
    assert read_annotated_box(tmp_path / "images" / "a.png") == (20, 30, 200, 230)
    assert read_annotated_box(tmp_path / "images" / "b.png") is None
    assert read_annotated_box(tmp_path / "images" / "c.png") is None


@pytest.mark.parametrize(
    ("box", "offset", "factor", "shape", "expected"),
    [
        ((20, 30, 200, 230), (0, 0), 1.0, (300, 260), (20, 30, 200, 230)),
        ((20, 30, 200, 230), (10, 20), 1.0, (290, 240), (10, 10, 190, 210)),
        ((20, 30, 200, 230), (0, 0), 1.2, (360, 312), (24, 36, 240, 276)),
        ((100, 100, 140, 140), (0, 0), 1.0, (300, 260), (56, 56, 184, 184)),
        ((0, 0, 40, 40), (0, 0), 1.0, (300, 260), (0, 0, 128, 128)),
        ((280, 240, 300, 260), (0, 0), 1.0, (300, 260), (172, 132, 300, 260)),
    ],
)
def test_a_box_follows_its_image(
    box: tuple[int, int, int, int],
    offset: tuple[int, int],
    factor: float,
    shape: tuple[int, int],
    expected: tuple[int, int, int, int],
) -> None:
    assert move_box(box, offset, factor, shape, 128) == expected


def test_a_box_that_was_cut_off_is_gone() -> None:
    assert move_box((0, 0, 20, 20), (30, 0), 1.0, (270, 260), 128) is None


def test_only_annotated_parts_are_used_and_the_split_stays(tmp_path: Path) -> None:
    folder = tmp_path / "clinic"
    for k in range(10):
        write(folder, f"{k}.png", k, (20, 30, 200, 230) if k % 2 else None)
    everything = load_dataset([ImageFolder(folder)], validation_share=0.4)
    annotated = load_dataset([ImageFolder(folder, annotated=True)], validation_share=0.4)

    def names(images: list) -> set[str]:
        return {image.file for image in images}

    odd = {f"{k}.png" for k in range(1, 10, 2)}
    assert names(annotated.training) == names(everything.training) & odd
    assert names(annotated.held_out) == names(everything.held_out) & odd
    assert {image.pixels.shape for image in annotated.training} == {(180, 200)}
    assert annotated.sources[0].annotated
    assert annotated.digest != everything.digest
