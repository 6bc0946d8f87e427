"""Sets with validation images: shards of their own, made in one pass with those for training."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Callable
from pathlib import Path

import datasets
import mlcroissant
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from set_tools import Counting, Open, Workshop, digests
from typer.testing import CliRunner, Result

from endotwin.cli.main import app
from endotwin.generator.batch import Batch, BatchMaker
from endotwin.generator.sampler import Sampler
from endotwin.image_range import MAX_INDEX, ImageRange
from endotwin.mosaic.parameters import Conditions
from endotwin.samples.sample import sample_name
from endotwin.sets.plan import choose_share, plan_set
from endotwin.sets.spec import SetSpec
from endotwin.sets.storage.folder import FolderDestination

N, EVERY = 60, 10
SPEC = {"n": N, "shard_size": 24, "validation_every": EVERY}

Run = Callable[..., Result]


@pytest.fixture
def run(labelled_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs the command line in an empty folder."""
    monkeypatch.setenv("ENDOTWIN_CHECKPOINT_DIR", str(labelled_checkpoint.parent))
    monkeypatch.setenv("ENDOTWIN_DEFAULT_MODEL", "tiny")
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


def indices(folder: Path, part: str) -> list[int]:
    """Return the indices of the images of a part, as its shards hold them."""
    found = []
    for path in sorted((folder / part).iterdir()):
        with tarfile.open(path) as tar:
            names = [name for name in tar.getnames() if name.endswith(".png")]
            found += [int(name.removesuffix(".png").split("-")[1]) for name in names]
    return found


@given(
    n=st.integers(2, 300),
    start=st.integers(0, MAX_INDEX - 300),
    size=st.integers(1, 40),
    every=st.integers(2, 12),
)
def test_both_parts_together_hold_every_image_once(n: int, start: int, size: int, every: int) -> None:
    held_out = [index for index in range(start, start + n) if index % every == every - 1]
    fields = {"name": "a", "n": n, "seed": 7, "start": start, "model": "m", "generator_sha256": "0" * 64}
    if len(held_out) in (0, n):
        with pytest.raises(ValueError, match="for training and some for validation"):
            SetSpec(**fields, validation_every=every)
        return
    shards = plan_set(SetSpec(**fields, shard_size=size, validation_every=every))
    parts = {
        part: [index for shard in shards if shard.key.startswith(part) for index in shard.indices]
        for part in ("train/", "validation/")
    }
    assert parts["validation/"] == held_out
    assert sorted(parts["train/"] + held_out) == list(range(start, start + n))
    for shard in shards:
        chosen = list(shard.indices)
        assert (shard.start, shard.samples) == (chosen[0], len(chosen))
    shares = [choose_share(shards, f"{index}/3") for index in range(3)]
    assert [shard for share in shares for shard in share] == shards
    numbers = [{shard.number for shard in share} for share in shares]
    assert sum(map(len, numbers)) == len(set().union(*numbers))  # no range is cut in two


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_every_image_is_generated_once_and_is_the_same(
    kind: str, workshop: Workshop, tmp_path: Path
) -> None:
    made: list[int] = []
    generate = workshop.maker.make

    def make(part: ImageRange, conditions: Conditions | None) -> Batch:
        made.extend(part.indices)
        return generate(part, conditions)

    counting = BatchMaker(make, workshop.maker.thread, workshop.maker.device)
    spec, progress = workshop.spec(**SPEC, format=kind), Counting()
    folder = FolderDestination(tmp_path / "set")
    workshop = Workshop(workshop.checkpoint, counting)
    manifest = workshop.finished(spec, folder, progress=progress)
    assert sorted(made) == list(range(N))
    assert progress.images == N
    assert sorted(progress.new) == sorted(entry.key for entry in manifest.shards)
    pixels = Sampler(workshop.checkpoint).images(7, N)
    for entry in manifest.shards:
        held_out = entry.key.startswith("validation/")
        first = 24 * int(entry.key[-10:-4])
        mine = [i for i in range(first, min(first + 24, N)) if (i % EVERY == EVERY - 1) == held_out]
        assert (entry.start, entry.samples) == (mine[0], len(mine))
        assert entry.pixels_sha256 == hashlib.sha256(pixels[mine].tobytes()).hexdigest()


def test_it_is_the_same_set_however_it_was_made(
    workshop: Workshop, open_place: Open, bucket: str, tmp_path: Path
) -> None:
    spec = workshop.spec(**SPEC)
    whole, parts = FolderDestination(tmp_path / "whole"), FolderDestination(tmp_path / "parts")
    workshop.finished(spec, whole)
    for key in ("train/shard-000001.tar", "validation/shard-000002.tar"):  # one of each pair
        (shard,) = [shard for shard in plan_set(spec) if shard.key == key]
        workshop.make(spec, parts, shards=[shard])
    workshop.finished(spec.model_copy(update={"n": N - 5}), grown := FolderDestination(tmp_path / "grown"))
    for place in (parts, grown, open_place(f"s3://{bucket}/set")):
        workshop.finished(spec, place)
        assert digests(place) == digests(whole)


def test_the_command_makes_verifies_and_repairs_it(run: Run, tmp_path: Path) -> None:
    order = ("set", "--n", N, "--seed", 7, "--shard-size", 24, "data")
    made = run(*order, "--validation-every", EVERY)
    assert made.exit_code == 0, made.output
    assert "in 6 shards" in made.output
    held_out = [index for index in range(N) if index % EVERY == EVERY - 1]
    assert indices(tmp_path / "data", "validation") == held_out
    assert indices(tmp_path / "data", "train") == [index for index in range(N) if index not in held_out]
    assert run("set", "--verify", "data").exit_code == 0
    other = run(*order)
    assert other.exit_code == 1
    assert "validation_every is 10 there and None here" in other.output
    (tmp_path / "data" / "validation" / "shard-000001.tar").unlink()
    assert "validation/shard-000001.tar: it is missing" in run("set", "--verify", "data").output
    assert "1 shards made, 5 were there" in run("set", "--verify", "--replace-wrong", "data").output
    (tmp_path / "data" / "validation" / "notes.tar").write_text("")
    assert "validation/notes.tar: it is not a shard" in run("set", "--verify", "data").output


@pytest.mark.parametrize("layout", ["imagefolder", "coco"])
def test_a_layout_of_it_is_the_one_that_generate_makes(layout: str, run: Run, tmp_path: Path) -> None:
    order = ("--n", 20, "--seed", 7, "--start", 5, "--labels", "borders,instances")
    assert run("set", *order, "--shard-size", 8, "--validation-every", 5, "data").exit_code == 0
    for name, more in (("same", ("--validation-every", 5)), ("none", ("--validation-every", 3))):
        exported = run(
            "set", "export", "data", f"a/{name}", "--layout", layout, *(more if name == "none" else ())
        )
        assert exported.exit_code == 0, exported.output
        labels = "borders,instances" if layout == "imagefolder" else "instances"
        made = run("generate", *order[:-1], labels, "--layout", layout, *more, "-o", f"b/{name}")
        assert made.exit_code == 0, made.output
    a, b = (
        {p.relative_to(tmp_path / x): p.read_bytes() for p in (tmp_path / x).rglob("*.*") if p.is_file()}
        for x in "ab"
    )
    assert a == b != {}


@pytest.mark.usefixtures("empty_croissant_cache")
def test_other_readers_find_both_parts(
    workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    workshop.finished(workshop.spec(**SPEC), FolderDestination(tmp_path / "set"))
    loaded = datasets.load_dataset(str(tmp_path / "set"))
    assert {part: rows.num_rows for part, rows in loaded.items()} == {"train": 54, "validation": 6}
    assert loaded["validation"][0]["json"]["index"] == EVERY - 1
    pixels = Sampler(workshop.checkpoint).images(7, N)
    records = mlcroissant.Dataset(jsonld=tmp_path / "set" / "croissant.json").records("samples")
    read = {record["samples/name"].decode(): np.asarray(record["samples/image"]) for record in records}
    assert sorted(read) == [f"{sample_name(7, index)}.png" for index in range(N)]
    assert all(np.array_equal(read[f"{sample_name(7, i)}.png"], pixels[i]) for i in range(N))
