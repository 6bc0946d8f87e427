"""`endotwin segment`: files and tables of a user's images, and clear words where nothing can be counted."""

from __future__ import annotations

import csv
import pickle
from pathlib import Path

import numpy as np
import pytest
from command_run import Run, command_in
from drawn_cells import drawn_segmenter, hexagons
from pickle_bomb import Bomb
from PIL import Image

import endotwin
from endotwin.image_reading import DataError
from endotwin.segmentation import segmenter
from endotwin.segmentation.result_files import CELL_COLUMNS, IMAGE_COLUMNS


@pytest.fixture
def run(labelled_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return the command with a segmenter that sees dark lines."""
    monkeypatch.setattr(segmenter, "load_segmenter", lambda path: drawn_segmenter())
    return command_in(tmp_path, labelled_checkpoint, monkeypatch)


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_files_and_tables(run: Run, tmp_path: Path) -> None:
    _, drawn = hexagons(22, 200, 260, jitter=2.0)
    (tmp_path / "scans").mkdir()
    Image.fromarray(drawn).save(tmp_path / "scans" / "eight.png")
    Image.fromarray(drawn.astype(np.uint16) * 16 + 7).save(tmp_path / "scans" / "twelve.tif")
    Image.fromarray(drawn).convert("RGB").save(tmp_path / "rgb.bmp")
    ended = run("segment", "scans", "rgb.bmp", "--pixel-size", "0.8", "-o", "found")
    assert ended.exit_code == 0, ended.output
    names = ("eight", "twelve", "rgb")
    assert {path.name for path in (tmp_path / "found").iterdir()} == {
        "images.csv",
        "cells.csv",
        *(f"{name}.{kind}.png" for name in names for kind in ("borders", "instances", "overlay")),
    }
    images, cells = table(tmp_path / "found" / "images.csv"), table(tmp_path / "found" / "cells.csv")
    assert list(images[0]) == list(IMAGE_COLUMNS)
    assert list(cells[0]) == list(CELL_COLUMNS)
    # The same drawing in three formats.
    assert [line.pop("image") for line in images] == ["eight.png", "twelve.tif", "rgb.bmp"]
    assert images[0] == images[1] == images[2]
    line = images[0]
    assert (line["width"], line["height"], line["scale"], line["warnings"]) == ("260", "200", "1.0", "")
    mine = [cell for cell in cells if cell["image"] == "eight.png"]
    assert len(mine) == int(line["cells"]) + int(line["cells_cut"])
    assert sum(cell["whole"] == "1" for cell in mine) == int(line["cells"]) > 60
    assert float(line["ecd_per_mm2"]) == pytest.approx(1e6 / float(line["mean_area_um2"]), rel=0.01)
    assert float(line["mean_area_um2"]) == pytest.approx(0.64 * float(line["mean_area_px"]), rel=0.01)
    with Image.open(tmp_path / "found" / "eight.instances.png") as image:
        instances = np.asarray(image)
        assert image.mode.startswith("I;16")
    assert instances.max() == len(mine)
    first = next(cell for cell in mine if cell["whole"] == "1")
    assert instances[round(float(first["y"])), round(float(first["x"]))] == int(first["cell"])
    assert f"eight.png: {line['cells']} cells, ECD {line['ecd_per_mm2']}/mm²" in ended.stdout


def test_without_a_pixel_size_no_density_is_told(run: Run, tmp_path: Path) -> None:
    Image.fromarray(hexagons(22, 200, 260, jitter=2.0)[1]).save(tmp_path / "a.png")
    ended = run("segment", "a.png", "--scale", "1", "-o", "found")
    assert "mean area" in ended.stdout
    assert "ECD" not in ended.stdout
    line = table(tmp_path / "found" / "images.csv")[0]
    assert (line["ecd_per_mm2"], line["mean_area_um2"], line["evaluated_mm2"]) == ("", "", "")


def test_what_cannot_be_counted_is_said_and_the_rest_is_done(run: Run, tmp_path: Path) -> None:
    Image.fromarray(hexagons(22, 200, 260, jitter=2.0)[1]).save(tmp_path / "good.png")
    Image.fromarray(np.zeros((200, 260), dtype=np.uint8)).save(tmp_path / "black.png")
    (tmp_path / "broken.png").write_bytes(b"no image")
    colours = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(colours).save(tmp_path / "colours.png")
    ended = run("segment", "good.png", "black.png", "broken.png", "colours.png", "-o", "found")
    assert ended.exit_code == 1
    assert "Error: broken.png: not an image that Pillow reads" in ended.stderr
    warnings = {line["image"]: line["warnings"] for line in table(tmp_path / "found" / "images.csv")}
    assert warnings["good.png"] == ""
    assert warnings["black.png"] == "no whole cell found: no numbers"
    assert warnings["broken.png"] == "not read: not an image that Pillow reads"
    assert warnings["colours.png"].startswith("a colour photograph: only its brightness was used")
    assert "black.png: 0 cells" in ended.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["none.png", "-o", "found"], 1, "none.png: no such file or folder"),
        (["empty", "-o", "found"], 1, "empty: holds no images"),
        (["a.png", "a.bmp", "-o", "found"], 1, "a.png and a.bmp: results of both would be named a"),
        (["broken.png", "-o", "found"], 1, "no image could be read"),
        (["a.png", "-o", "full"], 1, "the folder is not empty"),
        (["a.png", "--pixel-size", "0", "-o", "found"], 2, "--pixel-size"),
        (["tiny.png", "-o", "found"], 1, "20 × 20 pixels; at least 32"),
    ],
)
def test_errors_say_what_is_wrong_and_leave_nothing(
    arguments: list[str], code: int, message: str, run: Run, tmp_path: Path
) -> None:
    for name in ("empty", "full"):
        (tmp_path / name).mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    for name in ("a.png", "a.bmp", "tiny.png"):
        Image.fromarray(np.zeros((20, 20) if name == "tiny.png" else (64, 64), np.uint8)).save(
            tmp_path / name
        )
    (tmp_path / "broken.png").write_bytes(b"no image")
    ended = run("segment", *arguments)
    assert ended.exit_code == code
    assert message in ended.stderr
    assert not (tmp_path / "found").exists()


def test_a_pickle_is_refused_and_so_is_a_generator(
    labelled_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = command_in(tmp_path, labelled_checkpoint, monkeypatch)
    Image.fromarray(np.zeros((64, 64), np.uint8)).save(tmp_path / "a.png")
    (tmp_path / "bomb.safetensors").write_bytes(pickle.dumps(Bomb(tmp_path / "unpickled")))
    for file, message in (
        ("bomb.safetensors", "a pickle file (or an archive of one); Endotwin only reads safetensors files"),
        (labelled_checkpoint, "not a segmenter's"),
        ("none.safetensors", "no such file"),
    ):
        ended = plain("segment", "a.png", "--segmenter", file, "-o", "found")
        assert ended.exit_code == 1
        assert message in ended.stderr
    assert not (tmp_path / "unpickled").exists()
    ended = plain("generate", "--checkpoint", segmenter.SHIPPED, "-o", "images")
    assert "a segmenter, which makes no images" in ended.stderr


def test_in_python_arrays_and_files_are_the_same(run: Run, tmp_path: Path) -> None:
    _, drawn = hexagons(22, 200, 260, jitter=2.0)
    Image.fromarray(drawn).save(tmp_path / "a.png")
    one, other = (endotwin.segment(image, scale=1) for image in (drawn, tmp_path / "a.png"))
    assert np.array_equal(one.instances, other.instances)
    assert np.array_equal(endotwin.segment(drawn / 1000.0, scale=1).instances, one.instances)
    for wrong in (np.zeros((64, 64, 3), np.uint8), np.zeros((8, 8), np.uint8), np.full((64, 64), np.nan)):
        with pytest.raises(ValueError, match=r"an image must be|not finite"):
            endotwin.segment(wrong)
    with pytest.raises(DataError, match="not a file"):
        endotwin.segment("none.png")
    with pytest.raises(ValueError, match="scale must be"):
        endotwin.segment(drawn, scale=0)
