"""Sets in a folder: making, going on, growing, refusing, verifying, repairing."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from set_tools import Counting, Workshop, digests, small_disk

from endotwin.sets.manifest import SetError, load_manifest
from endotwin.sets.plan import plan_set
from endotwin.sets.storage.destination import StorageError
from endotwin.sets.storage.folder import FolderDestination
from endotwin.sets.verify import verify_set

SHARDS = [f"train/shard-00000{i}.tar" for i in range(5)]
DOCUMENTS = ["LICENSE", "README.md", "SHA256SUMS", "croissant.json", "manifest.json", "set.json"]


@pytest.fixture
def place(tmp_path: Path) -> FolderDestination:
    return FolderDestination(tmp_path / "set")


@pytest.fixture(scope="module")
def original(workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> FolderDestination:
    """Make a set of 100 images once, for tests to copy and to compare with."""
    folder = FolderDestination(tmp_path_factory.mktemp("original"))
    workshop.finished(workshop.spec(), folder)
    return folder


@pytest.fixture
def finished(original: FolderDestination, place: FolderDestination) -> FolderDestination:
    """Return a copy of the set."""
    shutil.copytree(original.path(""), place.path(""))
    return place


def problems(place: FolderDestination) -> dict[str, str]:
    manifest = load_manifest(place, "here")
    found = verify_set(manifest, place, on_images=lambda _: None, stop_if_asked=lambda: None)
    return {problem.key: problem.reason for problem in found}


def test_a_set_holds_its_files_and_nothing_else(workshop: Workshop, place: FolderDestination) -> None:
    manifest = workshop.finished(workshop.spec(), place)
    assert sorted(place.list_keys("")) == [*DOCUMENTS, *SHARDS]
    assert [entry.samples for entry in manifest.shards] == [24, 24, 24, 24, 4]
    assert not list(place.unfinished.iterdir())
    assert problems(place) == {}


def test_the_manifest_says_what_is_there(finished: FolderDestination) -> None:
    manifest = json.loads(finished.path("manifest.json").read_text())
    there = digests(finished)
    for entry in [*manifest["shards"], *manifest["documents"]]:
        assert entry["sha256"] == there.pop(entry["key"])
    assert list(there) == ["manifest.json"]
    shard = manifest["shards"][4]
    assert (shard["start"], shard["samples"]) == (96, 4)
    assert shard["bytes"] == finished.path(shard["key"]).stat().st_size
    assert shard["device"].startswith("cpu ")


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="no sha256sum here")
def test_the_sums_are_those_that_sha256sum_reads(finished: FolderDestination) -> None:
    command = ["sha256sum", "--check", "--strict", "SHA256SUMS"]
    result = subprocess.run(command, cwd=finished.path(""), capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count(": OK") == 9


def test_a_second_run_makes_and_changes_nothing(workshop: Workshop, finished: FolderDestination) -> None:
    before = {path: path.stat().st_mtime_ns for path in finished.path("").rglob("*") if path.suffix}
    progress = Counting()
    workshop.finished(workshop.spec(), finished, progress=progress)
    assert progress.images == 0
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_a_set_in_parts_is_finished_by_the_last(
    workshop: Workshop, original: FolderDestination, tmp_path: Path
) -> None:
    spec, parts = workshop.spec(), FolderDestination(tmp_path)
    shards = plan_set(spec)
    assert workshop.make(spec, parts, shards=shards[3:]).manifest is None
    assert parts.stat("manifest.json") is None
    assert workshop.make(spec, parts, shards=shards[:2]).manifest is None
    assert workshop.make(spec, parts, shards=shards[2:3]).manifest is not None
    assert digests(parts) == digests(original)


def test_a_set_that_grows_keeps_its_full_shards(
    workshop: Workshop, original: FolderDestination, tmp_path: Path
) -> None:
    grown = FolderDestination(tmp_path)
    workshop.finished(workshop.spec(n=60), grown)
    kept = {key: grown.path(key).stat().st_ino for key in SHARDS[:2]}
    progress = Counting()
    workshop.finished(workshop.spec(n=100), grown, progress=progress)
    assert sorted(progress.there) == SHARDS[:2]
    assert {key: grown.path(key).stat().st_ino for key in kept} == kept
    assert digests(grown) == digests(original)


def test_while_a_set_grows_it_has_no_manifest(workshop: Workshop, place: FolderDestination) -> None:
    workshop.finished(workshop.spec(n=60), place)

    def interrupt() -> None:
        if not place.path("manifest.json").exists():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        workshop.make(workshop.spec(n=100), place, stop_if_asked=interrupt)
    with pytest.raises(SetError, match="not finished"):
        load_manifest(place, "here")
    workshop.finished(workshop.spec(n=100), place)
    assert problems(place) == {}


@pytest.mark.parametrize("n", [40, 90, 99])
def test_a_set_does_not_shrink(n: int, workshop: Workshop, finished: FolderDestination) -> None:
    before = digests(finished)
    with pytest.raises(SetError, match="a set only grows"):
        workshop.make(workshop.spec(n=n), finished, replace_wrong=True)
    assert digests(finished) == before


@pytest.mark.parametrize(
    ("finished", "replace_wrong"),
    [
        (False, False),
        (True, True),
        pytest.param(False, True, marks=pytest.mark.long),
        pytest.param(True, False, marks=pytest.mark.long),
    ],
)
def test_another_set_is_refused(
    finished: bool, replace_wrong: bool, workshop: Workshop, place: FolderDestination
) -> None:
    part = None if finished else plan_set(workshop.spec())[:1]
    workshop.make(workshop.spec(), place, shards=part)
    before = digests(place)
    with pytest.raises(
        SetError, match="another set is there: seed is 7 there and 8 here; shard_size is 24"
    ):
        workshop.make(workshop.spec(seed=8, shard_size=10), place, replace_wrong=replace_wrong)
    assert digests(place) == before


@pytest.mark.parametrize(
    "key",
    [
        SHARDS[1],
        "set.json",
        pytest.param("README.md", marks=pytest.mark.long),
        pytest.param("manifest.json", marks=pytest.mark.long),
    ],
)
def test_what_is_not_of_the_set_is_replaced_only_if_asked(
    key: str, workshop: Workshop, place: FolderDestination
) -> None:
    precious = place.path(key)
    precious.parent.mkdir(parents=True)
    precious.write_text("years of work")
    with pytest.raises(SetError, match=rf"{key}: .*--replace-wrong"):
        workshop.make(workshop.spec(), place)
    assert digests(place).keys() == {key}
    assert precious.read_text() == "years of work"
    workshop.finished(workshop.spec(), place, replace_wrong=True)
    assert problems(place) == {}


def test_what_readers_would_take_for_a_shard_is_never_removed(
    workshop: Workshop, place: FolderDestination
) -> None:
    stranger = place.path("train/mine.tar")
    stranger.parent.mkdir(parents=True)
    stranger.write_text("years of work")
    with pytest.raises(SetError, match=r"train/mine\.tar: not among the 5 shards"):
        workshop.make(workshop.spec(), place, replace_wrong=True)
    assert digests(place).keys() == {"train/mine.tar"}


def test_a_truncated_shard_is_wrong(workshop: Workshop, finished: FolderDestination) -> None:
    before = digests(finished)
    path = finished.path(SHARDS[2])
    path.write_bytes(path.read_bytes()[:-512])
    with pytest.raises(SetError, match=r"shard-000002\.tar: it has \d+ bytes instead of \d+"):
        workshop.make(workshop.spec(), finished)
    progress = Counting()
    workshop.finished(workshop.spec(), finished, replace_wrong=True, progress=progress)
    assert progress.new == [SHARDS[2]]
    assert digests(finished) == before


@pytest.mark.parametrize(
    "key",
    [
        SHARDS[0],
        "README.md",
        pytest.param(SHARDS[4], marks=pytest.mark.long),
        pytest.param("croissant.json", marks=pytest.mark.long),
        pytest.param("SHA256SUMS", marks=pytest.mark.long),
    ],
)
def test_a_flipped_byte_is_found_and_repaired(
    key: str, workshop: Workshop, finished: FolderDestination
) -> None:
    before = digests(finished)
    path = finished.path(key)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    found = problems(finished)
    assert list(found) == [key]
    assert "sha256" in found[key]
    progress = Counting()
    workshop.finished(workshop.spec(), finished, replace_wrong=True, distrusted=found, progress=progress)
    assert progress.new == ([key] if key in SHARDS else [])
    assert digests(finished) == before


def test_a_shard_that_vanished_is_missed_and_made(workshop: Workshop, finished: FolderDestination) -> None:
    before = digests(finished)
    finished.path(SHARDS[3]).unlink()
    assert problems(finished) == {SHARDS[3]: "it is missing"}
    workshop.finished(workshop.spec(), finished)
    assert digests(finished) == before


def test_pixels_that_are_not_those_of_the_manifest_are_found(finished: FolderDestination) -> None:
    """As if another set's shard was put in, and the file's digest in the manifest was changed."""
    manifest = load_manifest(finished, "here")
    other = manifest.shards[0].model_copy(update={"pixels_sha256": "0" * 64})
    forged = manifest.model_copy(update={"shards": (other, *manifest.shards[1:])})
    found = verify_set(forged, finished, on_images=lambda _: None, stop_if_asked=lambda: None)
    assert [(problem.key, "of its pixels" in problem.reason) for problem in found] == [(SHARDS[0], True)]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"schema_version": 2}'])
def test_a_damaged_manifest_is_named(content: bytes, finished: FolderDestination) -> None:
    finished.path("manifest.json").write_bytes(content)
    with pytest.raises(SetError, match=r"here/manifest\.json is damaged"):
        load_manifest(finished, "here")


def test_an_altered_manifest_is_noticed(finished: FolderDestination) -> None:
    path = finished.path("manifest.json")
    path.write_text(path.read_text().replace('"samples": 24', '"samples": 23', 1))
    with pytest.raises(SetError, match="damaged; remove it"):
        load_manifest(finished, "here")


def test_zip_shards(workshop: Workshop, place: FolderDestination) -> None:
    workshop.finished(workshop.spec(n=30, format="zip"), place)
    assert list(place.list_keys("train/")) == ["train/shard-000000.zip", "train/shard-000001.zip"]
    assert problems(place) == {}


def test_a_full_disk(workshop: Workshop, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "700k") as disk:
        place = FolderDestination(disk / "set")
        with pytest.raises(StorageError, match="No space left on device; make room on that disk"):
            workshop.make(workshop.spec(), place)
        assert not list(place.unfinished.iterdir())
        subprocess.run(["mount", "-o", "remount,size=20m", str(disk)], check=True)
        workshop.finished(workshop.spec(), place)
        assert problems(place) == {}


def test_a_folder_that_cannot_be_made(workshop: Workshop, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match=r"file.*Not a directory"):
        workshop.make(workshop.spec(), FolderDestination(tmp_path / "file" / "set"))
