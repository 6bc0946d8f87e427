"""An image and its labels are the same, bit for bit, in every format and whatever range they come in."""

from __future__ import annotations

import io
import json
import math
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import webdataset
from documentation import snippet
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from endotwin.generator.batch import Batch
from endotwin.generator.checkpoint import Checkpoint, load_checkpoint
from endotwin.generator.sampler import Sampler
from endotwin.image_range import BATCH, ImageRange
from endotwin.mosaic.labels import Label
from endotwin.mosaic.parameters import Conditions
from endotwin.samples.conditions import parse_conditions
from endotwin.samples.formats import FORMATS
from endotwin.samples.labelling import IMAGE_LABELS, LABELS, PLAIN, Labelling, LabellingError
from endotwin.samples.npz import check_npz, write_npz
from endotwin.samples.sample import Provenance, is_label_file, sample_name

SEED = 7
BLOCKS = 2
CONDITIONS = parse_conditions({"density": "1500:2500", "guttae": "0:0.3"})
few = settings(max_examples=10, suppress_health_check=[HealthCheck.too_slow])


Make = Callable[[ImageRange, Conditions | None], Batch]


@pytest.fixture(scope="module")
def checkpoint(labelled_checkpoint: Path) -> Checkpoint:
    return load_checkpoint(labelled_checkpoint)


@pytest.fixture(scope="module")
def make(checkpoint: Checkpoint) -> Make:
    """Return a function that generates part of an aligned batch, and makes no batch twice."""
    sampler = Sampler(checkpoint)

    @cache
    def aligned(block: int, conditions: Conditions | None) -> Batch:
        return sampler.batch(ImageRange(SEED, block * BATCH, BATCH), conditions)

    def make(part: ImageRange, conditions: Conditions | None) -> Batch:
        whole = aligned(part.start // BATCH, conditions)
        at = slice(part.start % BATCH, part.start % BATCH + part.count)
        return Batch(part, whole.images[at], whole.scenes[at])

    return make


@pytest.fixture(scope="module")
def expected(make: Make) -> list[tuple[np.ndarray, Label]]:
    """Return images 0 to 31 of the seed with their labels, from the sampler."""
    batches = [make(part, CONDITIONS) for part in ImageRange(SEED, 0, BLOCKS * BATCH).parts()]
    return [pair for batch in batches for pair in zip(batch.images, batch.labels(), strict=True)]


def generate(
    make: Make, checkpoint: Checkpoint, kind: str, start: int, count: int, labelling: Labelling
) -> bytes:
    images = ImageRange(SEED, start, count)
    provenance = Provenance(checkpoint.card.name, checkpoint.generator_sha256, labelling)
    batches = (make(part, labelling.conditions) for part in images.parts())
    if kind == "npz":
        file = io.BytesIO()
        write_npz(images, provenance, batches, file)
        return file.getvalue()
    archive = FORMATS[kind](images, provenance)
    data = archive.head() + b"".join(map(archive.add, batches)) + archive.tail()
    assert archive.content_length in (None, len(data))
    return data


def read_members(kind: str, data: bytes) -> dict[str, bytes]:
    if kind == "zip":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return {name: archive.read(name) for name in archive.namelist()}
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}


def pixels(png: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(png)) as image:
        return np.asarray(image)


ranges = st.tuples(st.integers(0, BLOCKS * BATCH - 1), st.integers(1, BLOCKS * BATCH)).map(
    lambda pair: (pair[0], min(pair[1], BLOCKS * BATCH - pair[0]))
)
chosen = st.sets(st.sampled_from(list(LABELS))).map(lambda names: tuple(n for n in LABELS if n in names))


def check_files(
    files: dict[str, bytes], start: int, expected: list[tuple[np.ndarray, Label]], labels: tuple[str, ...]
) -> None:
    kinds = [name for name in labels if name in IMAGE_LABELS]
    suffixes = ["png", *(f"{kind}.png" for kind in kinds), "json"]
    names = [sample_name(SEED, start + at) for at in range(len(expected))]
    assert list(files) == [f"{name}.{suffix}" for name in names for suffix in suffixes]
    for name, (image, label) in zip(names, expected, strict=True):
        assert np.array_equal(pixels(files[f"{name}.png"]), image)
        for kind in kinds:
            found, wanted = pixels(files[f"{name}.{kind}.png"]), getattr(label, kind)
            assert found.dtype == wanted.dtype
            assert np.array_equal(found, wanted)
        check_record(json.loads(files[f"{name}.json"]), label, labels)


def check_record(record: dict[str, Any], label: Label, labels: tuple[str, ...]) -> None:
    assert record["conditions"] == {"density": "1500:2500", "guttae": "0:0.3"}
    assert ("parameters" in record, "cells" in record) == ("parameters" in labels, "cells" in labels)
    if "parameters" in labels:
        asked, measured = asdict(label.asked), asdict(label.measured)
        assert record["parameters"] == {"asked": asked, "measured": measured}
        assert 1500 <= record["parameters"]["asked"]["density"] <= 2500
    for row, cell in zip(record.get("cells", label.cells), label.cells, strict=True):
        if row is not cell:
            assert (row["id"], row["x"], row["y"], row["sides"]) == (cell.id, cell.x, cell.y, cell.sides)
            assert (row["area_px"], row["counted"]) == (cell.area, cell.counted)
            assert row["area_um2"] == pytest.approx(cell.area * 0.81, abs=1e-3)
            assert row["neighbours"] == list(cell.neighbours)


@pytest.mark.parametrize("kind", ["tar", "zip"])
@few
@given(part=ranges, labels=chosen)
def test_files_hold_what_the_sampler_makes(
    kind: str,
    make: Make,
    checkpoint: Checkpoint,
    expected: list[tuple[np.ndarray, Label]],
    part: tuple[int, int],
    labels: tuple[str, ...],
) -> None:
    start, count = part
    data = generate(make, checkpoint, kind, start, count, Labelling(labels, CONDITIONS))
    check_files(read_members(kind, data), start, expected[start : start + count], labels)


@few
@given(part=ranges, labels=chosen)
def test_an_npz_holds_what_the_sampler_makes(
    make: Make,
    checkpoint: Checkpoint,
    expected: list[tuple[np.ndarray, Label]],
    part: tuple[int, int],
    labels: tuple[str, ...],
) -> None:
    start, count = part
    labels = tuple(name for name in labels if name != "cells")
    data = generate(make, checkpoint, "npz", start, count, Labelling(labels, CONDITIONS))
    wanted = expected[start : start + count]
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        read = dict(arrays)
    assert read.pop("conditions") == "density=1500:2500&guttae=0:0.3"
    assert (read.pop("model"), read.pop("seed")) == ("tiny-labelled", SEED)
    assert read.pop("generator_sha256") == checkpoint.generator_sha256
    assert read.pop("index").tolist() == list(range(start, start + count))
    assert np.array_equal(read.pop("images"), [image for image, _ in wanted])
    for name in set(labels) & set(IMAGE_LABELS):
        array = read.pop(name)
        assert array.dtype == getattr(wanted[0][1], name).dtype
        assert np.array_equal(array, [getattr(label, name) for _, label in wanted])
    if {"borders", "visible"} <= set(labels):
        classes = read.pop("classes")
        for found, (_, label) in zip(classes, wanted, strict=True):
            assert np.array_equal(found == 255, label.visible == 0)
            assert np.array_equal(found == 1, (label.visible > 0) & (label.borders > 0))
    if "parameters" in labels:
        for part_name in ("asked", "measured"):
            for field in asdict(getattr(wanted[0][1], part_name)):
                values = [getattr(getattr(label, part_name), field) for _, label in wanted]
                array = read.pop(f"{part_name}_{field}")
                assert array.dtype == np.float64
                assert np.array_equal(
                    array, [math.nan if value is None else value for value in values], equal_nan=True
                )
    assert read == {}


def test_conditions_without_labels_change_images_only(
    make: Make, checkpoint: Checkpoint, expected: list[tuple[np.ndarray, Label]]
) -> None:
    labelling = Labelling((), CONDITIONS)
    data = generate(make, checkpoint, "npy", 5, 20, labelling)
    images = np.load(io.BytesIO(data), allow_pickle=False)
    assert np.array_equal(images, [image for image, _ in expected[5:25]])
    assert not np.array_equal(images[0], make(ImageRange(SEED, 5, 1), None).images[0])


def test_labels_change_no_image(make: Make, checkpoint: Checkpoint) -> None:
    pixels_with, pixels_without = (
        read_members("tar", generate(make, checkpoint, "tar", 0, 4, labelling))["7-00000003.png"]
        for labelling in (Labelling(("soft",)), PLAIN)
    )
    assert pixels_with == pixels_without


def test_webdataset_reads_labels(
    make: Make,
    checkpoint: Checkpoint,
    expected: list[tuple[np.ndarray, Label]],
    tmp_path: Path,
) -> None:
    path = tmp_path / "set.tar"
    labelling = Labelling(("borders", "instances", "parameters"), CONDITIONS)
    path.write_bytes(generate(make, checkpoint, "tar", 0, 9, labelling))
    samples = list(webdataset.WebDataset(str(path), shardshuffle=False, empty_check=False))
    for sample, (image, label) in zip(samples, expected[:9], strict=True):
        assert np.array_equal(pixels(sample["png"]), image)
        assert np.array_equal(pixels(sample["borders.png"]), label.borders)
        assert np.array_equal(pixels(sample["instances.png"]), label.instances)
        assert json.loads(sample["json"])["parameters"]["measured"]["cells"] == label.measured.cells


def test_images_without_their_labels_are_refused(make: Make) -> None:
    images = ImageRange(SEED, 0, 2)
    plain = Batch(images, make(images, None).images)
    with pytest.raises(ValueError, match="0 labels for 2 images"):
        FORMATS["tar"](images, Provenance("m", "0" * 64, Labelling(("soft",)))).add(plain)


def test_an_npz_has_no_place_for_a_table_of_cells() -> None:
    with pytest.raises(LabellingError, match="format npz has no place for cells, only for borders, soft"):
        check_npz(("borders", "cells"))


def test_label_files_are_told_from_images() -> None:
    assert [is_label_file(f"7-00000000.{kind}.png") for kind in IMAGE_LABELS] == [True] * 5
    assert not any(map(is_label_file, ["7-00000000.png", "7-00000000.json", "soft.png", "a.b.png"]))


def test_the_documented_loss_ignores_what_is_not_visible(
    make: Make, checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = generate(make, checkpoint, "npz", 0, 2, Labelling(("borders", "visible")))
    (tmp_path / "labelled.npz").write_bytes(data)
    monkeypatch.chdir(tmp_path)
    names = snippet("ignore_index", "data-user.md")
    assert names["loss"].isfinite()
    assert names["classes"].shape == (2, 128, 128)
