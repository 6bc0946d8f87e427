"""`endotwin render`: a folder of masks in, a folder that other commands read out, again and again."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from command_run import Run, command_in
from PIL import Image

import endotwin
from endotwin.samples.layouts.reading import read_layout


@pytest.fixture(scope="module")
def drawn(labelled_checkpoint: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    samples = endotwin.load(labelled_checkpoint, "cpu").samples(
        3, 3, labels=["borders", "instances"], density=2500
    )
    return [(sample.labels["borders"], sample.labels["instances"]) for sample in samples]


@pytest.fixture
def run(
    drawn: list[tuple[np.ndarray, np.ndarray]],
    labelled_checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Run:
    """Return the command in a folder with masks b.png and a.png; c.png waits in `more`."""
    for name, (borders, _) in zip(("b", "a", "../more/c"), drawn, strict=True):
        path = tmp_path / "mine" / f"{name}.png"
        path.parent.mkdir(exist_ok=True)
        (tmp_path / "more").mkdir(exist_ok=True)
        Image.fromarray(borders).save(path)
    return command_in(tmp_path, labelled_checkpoint, monkeypatch)


def tree(folder: str = "out") -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(Path(folder).rglob("*")) if path.is_file()}


def rows(folder: str = "out") -> list[dict[str, str]]:
    return list(csv.DictReader((Path(folder) / "parameters.csv").open()))


def test_masks_become_images_with_their_labels(
    run: Run, drawn: list[tuple[np.ndarray, np.ndarray]], labelled_checkpoint: Path
) -> None:
    result = run("render", "--borders=mine", "--appearances=2", "-o", "out", "--device=cpu")
    assert result.exit_code == 0, result.output
    assert (
        "4 images of 2 masks, now 4 images in out\nmodel tiny-labelled, recorded FID 150.00"
        in result.stdout
    )
    assert [row["key"] for row in rows()] == ["a-0", "a-1", "b-0", "b-1"]
    assert [row["mask"] for row in rows()] == ["a.png", "a.png", "b.png", "b.png"]
    pictures = list(read_layout(Path("out")) or ())
    expected = endotwin.load(labelled_checkpoint, "cpu").render(
        borders=[drawn[1][0], drawn[0][0]], appearances=2
    )
    for picture, sample in zip(pictures, expected, strict=True):
        assert np.array_equal(picture.image, sample.image)
        for label, pixels in sample.labels.items():
            assert np.array_equal(picture.labels[label](), pixels)
    about = json.loads(Path("out/dataset.json").read_text())
    assert (about["complete"], about["n"], about["endotwin"]["seed"]) == (True, 4, 0)
    sheet = run("sheet", "out", "--labels", "borders", "-o", "sheet.png")
    assert sheet.exit_code == 0, sheet.output


def test_the_same_command_goes_on(run: Run) -> None:
    def again(*more: str) -> str:
        result = run("render", "--borders=mine", "-o", "out", "--device=cpu", *more)
        assert result.exit_code == 0, result.output
        return str(result.stdout.splitlines()[0])

    assert again() == "2 images of 2 masks, now 2 images in out"
    first = tree()
    assert again() == "0 images of 2 masks, now 2 images in out"
    assert tree() == first
    # As a killed process leaves it: half a row, an image without its row, an unfinished file.
    table = Path("out/parameters.csv")
    table.write_bytes(table.read_bytes()[:-9])
    Path("out/images/.b-0.png.0123456789abcdef.tmp").write_bytes(b"half")
    Path("out/masks/a-0.png").unlink()
    assert again() == "2 images of 2 masks, now 2 images in out"
    assert tree() == first
    # More masks and looks leave what is there, and a mask that was changed has a new image.
    Path("more/c.png").rename("mine/c.png")
    assert again("--appearances=2") == "4 images of 3 masks, now 6 images in out"
    assert {name: tree()[name] for name in first if name.endswith(".png")}.items() <= first.items()
    Path("mine/c.png").write_bytes(Path("mine/a.png").read_bytes())
    assert again("--appearances=2") == "2 images of 3 masks, now 6 images in out"
    assert tree()["out/images/c-1.png"] == tree()["out/images/a-1.png"]


def test_instance_maps_of_16_bit_tiff_keep_their_numbers(
    run: Run, drawn: list[tuple[np.ndarray, np.ndarray]]
) -> None:
    Path("maps").mkdir()
    Image.fromarray(drawn[0][1] * np.uint16(300)).save("maps/x.tif")
    result = run("render", "--instances=maps/x.tif", "-o", "out", "--device=cpu")
    assert result.exit_code == 0, result.output
    assert set(np.unique(np.asarray(Image.open("out/instances/x-0.png")))) <= {300 * k for k in range(99)}
    run("render", "--borders=mine", "-o", "borders", "--device=cpu")
    assert tree()["out/images/x-0.png"] == tree("borders")["borders/images/b-0.png"]


def save(pixels: np.ndarray, name: str = "mine/b.png") -> None:
    Image.fromarray(pixels).save(name)


def colour() -> np.ndarray:
    pixels = np.zeros((128, 128, 3), np.uint8)
    pixels[40, :, 0] = 255
    return pixels


def smooth() -> np.ndarray:
    return np.asarray(
        Image.open("mine/a.png").resize((64, 64)).resize((128, 128), Image.Resampling.BICUBIC)
    )


WRONG: list[tuple[Callable[[], object], str, int, str]] = [
    (lambda: save(np.eye(64, dtype=np.uint8)), "", 1, "mine/b.png: it has 64 × 64 pixels; masks have 128"),
    (lambda: save(smooth()), "", 1, "grey levels, borders have two: save them without smoothing"),
    (lambda: save(colour()), "", 1, "mine/b.png: it is in colour; a mask has"),
    (lambda: save(np.zeros((128, 128), np.uint8)), "", 1, "mine/b.png: it shows no cell"),
    (lambda: Path("mine/b.png").write_bytes(b"text"), "", 1, "b.png: it is damaged or neither PNG"),
    (lambda: save(smooth(), "mine/x.jpg"), "", 1, "mine/x.jpg: .jpg blurs masks; save them as PNG"),
    (lambda: save(colour()[..., 0], "mine/b.tif"), "", 1, "mine/b.png and b.tif have one name"),
    (lambda: [path.unlink() for path in Path("mine").iterdir()], "", 1, "mine holds no PNG or TIFF file"),
    (lambda: Path("out").mkdir() or Path("out/x").touch(), "", 1, "the folder is not empty"),
    (lambda: None, "--borders=none", 1, "none: No such file or directory"),
    (lambda: None, "--instances=mine", 2, "give --borders or --instances"),
    (lambda: None, "--model=tiny", 2, "'--model': model tiny has no labels"),
    (lambda: None, "--clarity=99", 2, "'--clarity': clarity must be a number"),
    (lambda: None, "--instrument=other", 2, "'--instrument': there is no instrument 'other'; the"),
    (lambda: None, "--appearances=0", 2, "'--appearances'"),
    (lambda: None, f"--seed={2**64}", 2, "'--seed': seed must be from 0"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("spoil", "option", "code", "message"), WRONG, ids=[case[3][:25] for case in WRONG]
)
def test_what_cannot_be_is_one_line(
    run: Run, spoil: Callable[[], object], option: str, code: int, message: str
) -> None:
    spoil()
    options = [option] if option else []
    result = run("render", "--borders=mine", "-o", "out", "--device=cpu", *options)
    assert result.exit_code == code
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not Path("out/images").exists()


def test_all_masks_that_cannot_be_used_are_named(run: Run) -> None:
    for name in ("b", "x", "y"):
        save(np.zeros((128, 128), np.uint8), f"mine/{name}.png")
    result = run("render", "--borders=mine", "-o", "out")
    assert (
        "mine/b.png: it shows no cell: all of it has one grey level; 2 more cannot be used: x.png, y.png"
        in (result.stderr)
    )


def test_a_folder_of_another_order_is_left_alone(run: Run) -> None:
    assert run("render", "--borders=mine", "-o", "out", "--device=cpu").exit_code == 0
    before = tree()
    result = run("render", "--borders=mine", "--seed=7", "--clarity=9", "-o", "out", "--device=cpu")
    assert result.exit_code == 1
    assert (
        "out holds images of another order (conditions {}, now {'clarity': '9'}, seed 0, now 7)"
        in result.stderr
    )
    assert tree() == before
