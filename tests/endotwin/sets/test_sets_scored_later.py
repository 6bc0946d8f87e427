"""A new score in the card of a checkpoint leaves its half-made sets as they are."""

from __future__ import annotations

from pathlib import Path

import pytest
from set_tools import digests
from tiny_checkpoints import make_card, save_tiny
from typer.testing import CliRunner

from endotwin.cli.main import app
from endotwin.generator.checkpoint import load_checkpoint, read_card
from endotwin.sets.storage.folder import FolderDestination

ORDER = ["set", "--n", "48", "--seed", "7", "--shard-size", "16", "--model", "tiny"]


def make(place: Path, *more: str) -> str:
    result = CliRunner().invoke(app, [*ORDER, *more, str(place)])
    assert result.exit_code == 0, result.output
    return result.output


def test_a_set_goes_on_after_its_checkpoint_got_another_score(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints = tmp_path / "checkpoints"
    monkeypatch.setenv("ENDOTWIN_CHECKPOINT_DIR", str(checkpoints))
    path = save_tiny(checkpoints, make_card(fid=50.0))
    before = path.read_bytes()
    make(tmp_path / "set", "--shards", "0:1")
    save_tiny(checkpoints, make_card(fid=40.0))
    assert path.read_bytes() != before
    assert read_card(path).fid.generated_training.fid == 40.0
    output = make(tmp_path / "set")
    assert "2 shards made, 1 were there" in output
    assert "is complete" in output
    alone = tmp_path / "alone"
    make(alone, "--name", "endotwin-tiny-7")
    assert digests(FolderDestination(tmp_path / "set")) == digests(FolderDestination(alone))
    assert load_checkpoint(path).generator_sha256 in (tmp_path / "set" / "README.md").read_text()
