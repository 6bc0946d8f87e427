"""How large shards are where nobody says so: every worker of a DataLoader gets one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import webdataset
from hypothesis import given
from hypothesis import strategies as st
from set_tools import Workshop
from typer.testing import CliRunner, Result

from endotwin.cli.main import app
from endotwin.image_range import BATCH
from endotwin.sets import LARGEST_USUAL_SHARD, USUAL_SHARDS, usual_shard_size
from endotwin.sets.storage.folder import FolderDestination

Run = Callable[..., Result]


@pytest.fixture
def run(tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs `endotwin set` in an empty folder, with the tiny checkpoint."""
    monkeypatch.setenv("ENDOTWIN_CHECKPOINT_DIR", str(tiny_checkpoint.parent))
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(app, ["set", *map(str, arguments)])


@given(st.integers(1, 10**8))
def test_there_are_as_many_shards_as_workers_need_and_no_tiny_ones(n: int) -> None:
    size = usual_shard_size(n)
    assert 1 <= size <= LARGEST_USUAL_SHARD
    assert -(-n // size) >= min(n, USUAL_SHARDS)
    assert size % BATCH == 0 or size < BATCH or size == LARGEST_USUAL_SHARD
    assert -(-n // size) <= 2 * USUAL_SHARDS or size == LARGEST_USUAL_SHARD - LARGEST_USUAL_SHARD % BATCH


def test_a_small_set_is_read_by_many_workers(run: Run, tmp_path: Path) -> None:
    assert run("--n", 40, "--seed", 7, "data").exit_code == 0
    shards = sorted(map(str, (tmp_path / "data" / "train").glob("*.tar")))
    assert len(shards) == 40
    reader = webdataset.WebDataset(shards, shardshuffle=False).decode("l8").to_tuple("json")
    read = [
        batch[0]["index"] for batch in torch.utils.data.DataLoader(reader, batch_size=None, num_workers=2)
    ]
    assert sorted(read) == list(range(40))


def test_a_set_that_is_there_keeps_its_size(run: Run, workshop: Workshop, tmp_path: Path) -> None:
    """Such as one that was begun when 25,000 was the default."""
    old = workshop.spec(name="endotwin-tiny-7", n=40, shard_size=25_000)
    workshop.finished(old, FolderDestination(tmp_path / "data"))
    grown = run("--n", 60, "--seed", 7, "data")
    assert grown.exit_code == 0, grown.output
    assert "60 images of seed 7, from index 0 on, in 1 shards" in grown.output
    assert run("--verify", "data").exit_code == 0
    assert (
        "shard_size is 25000 there and 4 here"
        in run("--n", 60, "--seed", 7, "--shard-size", 4, "data").output
    )
