"""The whole command on a collection with planted faults: what is dropped, why, and what is cut."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from planted import KEPT, Collection, Planted

from training.curation.run import CurationSettings, curate
from training.curation.summary import FileDecision
from training.curation.thresholds import read_thresholds
from training.curation.worker_pool import available_cores

SEED = 11
"""The thresholds were chosen on the collection of seed 0."""

PLANTED = (
    "unreadable",
    "exact duplicate",
    "empty",
    "irrelevant",
    "near duplicate",
    "blurry",
    "saturated",
    "too dark",
)


@pytest.fixture(scope="module", params=[10, pytest.param(30, marks=pytest.mark.long)])
def count(request: pytest.FixtureRequest) -> int:
    """Return how many faults of each kind are planted, at least."""
    return int(request.param)


@pytest.fixture(scope="module")
def sorted_collection(
    real_data: Path, tmp_path_factory: pytest.TempPathFactory, count: int
) -> tuple[list[tuple[Planted, FileDecision]], Path]:
    """Return what was planted beside what became of it, and the output folder."""
    folder = tmp_path_factory.mktemp("curation")
    raw, out = folder / "raw", folder / "out"
    raw.mkdir()
    planted = Collection(raw, real_data, SEED, count).build()
    # The strips and some of the copies are smaller than a training crop.
    thresholds = read_thresholds()
    limits = thresholds.limits.model_copy(update={"side_min": 96, "field_side_min": 96})
    settings = CurationSettings(
        thresholds.model_copy(update={"limits": limits}), flat=False, workers=available_cores()
    )
    curation = curate(raw, out, settings, lambda steps, what, total: steps)
    originals = json.loads((out / "originals.private.json").read_text())["originals"]
    decisions = dict(zip((item["path"] for item in originals), curation.summary.files, strict=True))
    return [(item, decisions[item.path.relative_to(raw).as_posix()]) for item in planted], out


def by_group(
    items: Iterable[tuple[Planted, FileDecision]],
) -> dict[str, tuple[Counter[str], Counter[str]]]:
    """Count expected and actual decisions per group: which of several copies is kept is free."""
    counts: dict[str, tuple[Counter[str], Counter[str]]] = defaultdict(lambda: (Counter(), Counter()))
    for item, decision in items:
        expected, actual = counts[item.group]
        expected[item.decision] += 1
        actual[KEPT if decision.reason is None else decision.reason.value] += 1
    return counts


@pytest.mark.parametrize("reason", PLANTED)
def test_every_reason_is_precise_and_complete(
    sorted_collection: tuple[list[tuple[Planted, FileDecision]], Path], reason: str, count: int
) -> None:
    counts = by_group(sorted_collection[0]).values()
    right = sum(min(expected[reason], actual[reason]) for expected, actual in counts)
    planted = sum(expected[reason] for expected, _ in counts)
    dropped = sum(actual[reason] for _, actual in counts)
    assert planted >= count
    assert right >= 0.95 * planted
    assert right >= 0.95 * dropped


def test_good_images_stay(sorted_collection: tuple[list[tuple[Planted, FileDecision]], Path]) -> None:
    counts = by_group(sorted_collection[0])
    good = [actual for expected, actual in counts.values() if expected[KEPT]]
    assert sum(actual[KEPT] >= 1 for actual in good) >= 0.98 * len(good)
    lost = [group for group, (_, actual) in counts.items() if group.startswith("cwru") and not actual[KEPT]]
    assert lost == []


def test_what_is_kept_of_an_export_lies_inside_its_picture(
    sorted_collection: tuple[list[tuple[Planted, FileDecision]], Path],
) -> None:
    exports = [(item, decision) for item, decision in sorted_collection[0] if item.field and decision.kept]
    shares = []
    for item, decision in exports:
        assert item.field is not None
        assert decision.box is not None
        inside = (
            decision.box.left >= item.field.left
            and decision.box.top >= item.field.top
            and decision.box.right <= item.field.right
            and decision.box.bottom <= item.field.bottom
        )
        assert inside, (item.kind, decision.box, item.field)
        shares.append(decision.box.area / item.field.area)
    # A letter and a scale bar inside the picture cost a strip at its lower edge.
    assert np.median(shares) >= 0.85
    assert min(shares) >= 0.5  # a bright reflex in a dark picture is cut off like a letter


def test_letters_on_strips_are_cut_off(
    sorted_collection: tuple[list[tuple[Planted, FileDecision]], Path],
) -> None:
    items, out = sorted_collection
    strips = [decision for item, decision in items if item.kind.startswith("strip") and decision.kept]
    assert len(strips) == 5
    for decision in strips:
        pixels = np.asarray(Image.open(out / "images" / f"{decision.digest}.png"))
        assert pixels.max() < 200  # the letters are at 235 and above, the cells below 190


def test_images_carry_nothing_but_pixels(
    sorted_collection: tuple[list[tuple[Planted, FileDecision]], Path],
) -> None:
    items, out = sorted_collection
    names = {f"{decision.digest}.png" for _, decision in items if decision.kept}
    assert {path.name for path in (out / "images").iterdir()} == names
    for name in names:
        data = (out / "images" / name).read_bytes()
        with Image.open(out / "images" / name) as image:
            assert (image.mode, image.info) == ("L", {})
        assert chunks(data) <= {b"IHDR", b"IDAT", b"IEND"}
    shared = (out / "curation.json").read_text()
    assert not any(word in shared for word in ("Müller", "OD 0", "copies", "Mueller", str(out.parent)))


def chunks(png: bytes) -> set[bytes]:
    """Return the names of a PNG's chunks."""
    names, place = set(), 8
    while place < len(png):
        length = int.from_bytes(png[place : place + 4])
        names.add(png[place + 4 : place + 8])
        place += 12 + length
    return names
