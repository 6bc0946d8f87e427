"""What is read back from every format and layout, and drawn: the images and labels that were written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from layout_batches import CONDITIONS, SEED, START, Made
from PIL import Image
from typer.testing import CliRunner

from endotwin.cli.main import app
from endotwin.image_range import BATCH, ImageRange
from endotwin.samples.formats import FORMATS
from endotwin.samples.labelling import IMAGE_LABELS, Labelling
from endotwin.samples.layouts.writing import LAYOUTS
from endotwin.samples.npz import write_npz
from endotwin.samples.overlay import draw_labels
from endotwin.samples.reading import Picture
from endotwin.samples.sample import Provenance, sample_files
from endotwin.samples.sheet import ContactSheetError, draw_pictures, read_pictures

PROVENANCE = Provenance("tiny-labelled", "ab" * 32, Labelling(IMAGE_LABELS, CONDITIONS))
RANGE = ImageRange(SEED, START, BATCH)


def check(
    pictures: list[Picture], made: Made, labels: set[str], order: list[int], *, classes: bool = False
) -> None:
    """Check images and labels; with classes a border hides guttae and the ignored class borders."""
    assert len(pictures) == len(order)
    for picture, i in zip(pictures, order, strict=True):
        assert np.array_equal(picture.image, made.images[i])
        assert set(picture.labels) == labels
        for name, read in picture.labels.items():
            label = getattr(made.labels[i], name)
            if name == "guttae" and classes:
                label = np.where(made.labels[i].borders > 0, 0, label)
            if name == "borders" and classes:
                label = np.where(made.labels[i].visible > 0, label, 0)
            assert np.array_equal(read(), label)


@pytest.mark.parametrize("kind", ["tar", "zip", "folder", "npz"])
def test_every_format(kind: str, made: Made, tmp_path: Path) -> None:
    path = tmp_path / f"set.{kind}"
    if kind == "folder":
        path.mkdir()
        for name, content in sample_files(made.batch, PROVENANCE):
            (path / name).write_bytes(content)
    elif kind == "npz":
        with path.open("wb") as file:
            write_npz(RANGE, PROVENANCE, [made.batch], file)
    else:
        archive = FORMATS[kind](RANGE, PROVENANCE)
        path.write_bytes(archive.head() + archive.add(made.batch) + archive.tail())
    check(read_pictures(path, 100), made, set(IMAGE_LABELS), list(range(BATCH)))
    check(read_pictures(path, 3), made, set(IMAGE_LABELS), [0, 1, 2])


def test_a_set(made: Made, tmp_path: Path) -> None:
    for part, cut in (("train", slice(4, None)), ("validation", slice(0, 4))):
        (tmp_path / part).mkdir()
        shown = made.part(cut.start, cut.stop or BATCH)
        archive = FORMATS["tar"](shown.range, PROVENANCE)
        content = archive.head() + archive.add(shown) + archive.tail()
        (tmp_path / part / "shard-000000.tar").write_bytes(content)
    check(read_pictures(tmp_path, 100), made, set(IMAGE_LABELS), [*range(4, BATCH), *range(4)])


@pytest.mark.parametrize("every", [None, 4])
@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout(
    name: str, every: int | None, write: Callable[..., None], made: Made, tmp_path: Path
) -> None:
    folder = tmp_path / "Dataset501_Endotwin"
    labels = LAYOUTS[name].holds & set(IMAGE_LABELS)
    write(name, folder, *labels, validation_every=every)
    split = every or (4 if LAYOUTS[name].needs_validation else BATCH + START)
    held_out = [i for i in range(BATCH) if (START + i) % split == split - 1]
    order = [i for i in range(BATCH) if i not in held_out] + held_out
    check(read_pictures(folder, 100), made, set(labels), order, classes=name == "nnunet")


def test_labels_are_drawn_where_they_are() -> None:
    image = np.full((2, 3), 100, dtype=np.uint8)
    labels = {
        "borders": np.array([[255, 0, 0], [0, 0, 0]], dtype=np.uint8),
        "guttae": np.array([[0, 255, 0], [0, 0, 0]], dtype=np.uint8),
        "soft": np.array([[0, 0, 255], [0, 0, 0]], dtype=np.uint8),
        "instances": np.array([[0, 0, 0], [1, 2, 0]], dtype=np.uint16),
    }
    drawn = draw_labels(image, labels).astype(int)
    assert drawn.shape == (2, 3, 3)
    red, green, blue = drawn[0, 0]
    assert red > 150 > max(green, blue)
    red, green, blue = drawn[0, 1]
    assert blue > 150 > max(red, green)
    red, green, blue = drawn[0, 2]
    assert red > green > blue
    assert not np.array_equal(drawn[1, 0], drawn[1, 1])
    assert (drawn[1, 2] == 100).all()
    labels["visible"] = np.array([[255, 255, 255], [255, 255, 0]], dtype=np.uint8)
    for name in IMAGE_LABELS:  # each of them shows
        assert not np.array_equal(draw_labels(image, {name: labels[name]}), draw_labels(image, {}))


def test_a_label_that_is_not_there_is_named(write: Callable[..., None], tmp_path: Path) -> None:
    write("masks", tmp_path / "set")
    pictures = read_pictures(tmp_path / "set", 3)
    with pytest.raises(ContactSheetError, match="has no label soft; it has borders, instances"):
        draw_pictures(tmp_path / "set", pictures, ("soft",))


def test_the_command(write: Callable[..., None], made: Made, tmp_path: Path) -> None:
    write("masks", tmp_path / "set")
    sheet = tmp_path / "sheet.png"
    command = ["sheet", str(tmp_path / "set"), "-o", str(sheet), "--force", "-n", "1"]
    plain = CliRunner().invoke(app, command)
    assert plain.output == f"1 images on {sheet}; --labels draws borders, instances\n"
    drawn = CliRunner().invoke(app, [*command, "--labels", "instances,borders"])
    assert drawn.output == f"1 images on {sheet}\n"
    labels = {"borders": made.labels[0].borders, "instances": made.labels[0].instances}
    with Image.open(sheet) as pixels:
        assert np.array_equal(np.asarray(pixels), draw_labels(made.images[0], labels))
    wrong = CliRunner().invoke(app, [*command, "--labels", "cells"])
    assert wrong.exit_code == 2
    assert "one or more of borders, soft, instances, guttae, visible, each once" in " ".join(
        wrong.output.split()
    )
