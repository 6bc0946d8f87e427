"""What all layouts have in common, and their command."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from command_run import Run, command_in
from hypothesis import given
from hypothesis import strategies as st
from layout_batches import layout_set

from endotwin.cli.generate import LayoutName
from endotwin.files import OutputError
from endotwin.image_range import MAX_INDEX, ImageRange
from endotwin.samples.labelling import LABELS, LabellingError
from endotwin.samples.layouts.layout import Layout, LayoutSample, LayoutSet
from endotwin.samples.layouts.writing import LAYOUTS, write_layout
from endotwin.samples.sample import Provenance

FOLDER = "Dataset501_Endotwin"
"""A name that every layout takes."""


@pytest.fixture
def run(labelled_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs the command in an empty folder."""
    return command_in(tmp_path, labelled_checkpoint, monkeypatch)


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def make_set(start: int, count: int, every: int | None) -> LayoutSet:
    return LayoutSet(ImageRange(7, start, count), Provenance("tiny", "ab" * 32), "none", every)


@given(st.integers(0, MAX_INDEX - 400), st.integers(1, 400), st.integers(2, 12))
def test_validation_images_are_counted_as_they_are_chosen(start: int, count: int, every: int) -> None:
    chosen = [i for i in range(start, start + count) if i % every == every - 1]
    if len(chosen) in (0, count):
        with pytest.raises(LabellingError, match=f"images {start} to {start + count - 1} for training"):
            make_set(start, count, every)
    else:
        wanted = make_set(start, count, every)
        assert wanted.validation_count == len(chosen)
        assert [i for i in range(start, start + count) if wanted.is_validation(i)] == chosen


@pytest.mark.parametrize("every", [-1, 0, 1])
def test_validation_every_image_or_less_is_refused(every: int) -> None:
    with pytest.raises(LabellingError, match=f"must be 2 or more .* got {every}"):
        make_set(0, 100, every)


def test_without_validation_every_image_is_for_training() -> None:
    wanted = make_set(0, 100, None)
    assert wanted.validation_count == 0
    assert not any(map(wanted.is_validation, range(100)))


def test_labels_a_layout_has_no_place_for_are_refused() -> None:
    with pytest.raises(
        LabellingError, match="nnunet has no place for soft, cells, only for borders, guttae"
    ):
        LAYOUTS["nnunet"].choose_labels(("borders", "soft", "cells"))


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_one_label_is_always_there_and_labels_in_one_order(layout: type[Layout]) -> None:
    always = "instances" if layout.name in ("coco", "yolo-seg", "cellpose") else "borders"
    assert always in layout.usual
    assert set(layout.usual) <= layout.holds <= set(LABELS)
    assert layout.choose_labels(()) == layout.usual
    assert layout.choose_labels((always,)) == (always,)
    if "guttae" in layout.holds:
        assert layout.choose_labels(("guttae",)) == (always, "guttae")
        assert layout.choose_labels(("guttae", always)) == (always, "guttae")


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_appears_whole_or_not_at_all(
    name: str, write: Callable[..., None], tmp_path: Path
) -> None:
    def stopped() -> Iterator[list[LayoutSample]]:
        yield []
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_layout(LAYOUTS[name], layout_set(name), stopped(), tmp_path / FOLDER)
    with pytest.raises(ValueError, match="0 samples for a set of 16"):
        write_layout(LAYOUTS[name], layout_set(name), [[]], tmp_path / FOLDER)
    assert list(tmp_path.iterdir()) == []
    write(name, tmp_path / FOLDER)
    before = files(tmp_path / FOLDER)
    with pytest.raises(OutputError, match="never replaced"):
        write(name, tmp_path / FOLDER)
    assert files(tmp_path / FOLDER) == before
    assert list(tmp_path.iterdir()) == [tmp_path / FOLDER]


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_is_the_same_again(name: str, write: Callable[..., None], tmp_path: Path) -> None:
    labels = LAYOUTS[name].holds & {"borders", "guttae", "instances"}
    write(name, tmp_path / "a" / FOLDER, *labels, validation_every=4)
    write(name, tmp_path / "b" / FOLDER, *labels, validation_every=4)
    assert files(tmp_path / "a") == files(tmp_path / "b") != {}


def test_every_layout_can_be_asked_for() -> None:
    assert {str(layout) for layout in LayoutName} == set(LAYOUTS)


def test_the_command_writes_the_images_and_labels_of_the_tar(run: Run, tmp_path: Path) -> None:
    order = ("generate", "--n", 5, "--seed", 7, "--start", 12, "--density", "2000:3000")
    result = run(*order, "--layout", "masks", "--validation-every", 3, "-o", "set")
    assert result.exit_code == 0, result.output
    assert "model tiny-labelled" in result.output
    assert run(*order, "--labels", "borders,instances", "-o", "set.tar").exit_code == 0
    folders = {"png": "images", "borders.png": "masks", "instances.png": "instances"}
    expected = {}
    with tarfile.open(tmp_path / "set.tar") as tar:
        for member in tar:
            key, suffix = member.name.split(".", 1)
            part = "validation" if int(key.split("-")[1]) == 14 else "train"
            content = tar.extractfile(member)
            if suffix in folders and content is not None:
                expected[f"{part}/{folders[suffix]}/{key}.png"] = content.read()
    written = files(tmp_path / "set")
    rows = [written.pop(f"{part}/parameters.csv").splitlines() for part in ("train", "validation")]
    assert [len(part) for part in rows] == [1 + 4, 1 + 1]
    assert b'"density": "2000:3000"' in written.pop("dataset.json")
    assert written == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--layout", "voc"], "nnunet"),
        (["--layout", "yolo-seg", "--n", "20"], "yolo-seg takes validation images"),
        (["--layout", "cellpose", "--labels", "borders"], "cellpose has no place for borders"),
        (["--layout", "masks", "--format", "tar"], "--layout or --format, not both"),
        (["--layout", "masks", "--force"], "--force replaces no layout"),
        (["--validation-every", "5"], "takes a --layout"),
        (["--layout", "masks", "--validation-every", "1"], "--validation-every"),
        (["--layout", "masks", "--n", "3", "--validation-every", "4"], "got 4"),
        (["--layout", "masks", "--labels", "cells"], "masks has no place for cells"),
        (["--layout", "masks", "--model", "tiny"], "tiny has no labels"),
    ],
)
def test_bad_usage_of_layouts(arguments: list[str], message: str, run: Run, tmp_path: Path) -> None:
    result = run("generate", "-o", "set", *arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())
    assert list(tmp_path.iterdir()) == []
