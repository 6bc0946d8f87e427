"""`endotwin set`: what it says, what it refuses, and how it ends."""

from __future__ import annotations

import copy
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from live_server import PATIENCE_SECONDS, ROOT, wait_for
from set_tools import Workshop, digests, start_command
from tiny_checkpoints import make_card
from typer.testing import CliRunner, Result

from endotwin.cli.main import app
from endotwin.generator.checkpoint import load_checkpoint, save_checkpoint
from endotwin.sets.inspection import inspect_shards
from endotwin.sets.plan import plan_set
from endotwin.sets.storage.folder import FolderDestination

Run = Callable[..., Result]
SMALL = ("--n", 40, "--seed", 7, "--shard-size", 16)


@pytest.fixture
def run(tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs `endotwin set` in an empty folder, with the tiny checkpoint."""
    monkeypatch.setenv("ENDOTWIN_CHECKPOINT_DIR", str(tiny_checkpoint.parent))
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(app, ["set", *map(str, arguments)])


def test_making_going_on_growing_and_verifying(run: Run, workshop: Workshop, tmp_path: Path) -> None:
    first = run(*SMALL, "data", "--shards", "1:2")
    assert first.exit_code == 0, first.output
    assert "1 shards made, 0 were there" in first.output
    assert "Other shards of" in first.output
    assert not (tmp_path / "data" / "manifest.json").exists()
    second = run(*SMALL, "data")
    assert "2 shards made, 1 were there" in second.output
    assert "40 images of seed 7, from index 0 on, in 3 shards" in second.output
    assert "model tiny, recorded FID 123.50, terms: none" in second.output
    third = run("--n", 50, *SMALL[2:], "data")
    assert "2 shards made, 2 were there" in third.output
    assert run("--verify", "data").output.endswith("all 4 shards and 50 images are as the manifest says\n")
    expected = FolderDestination(tmp_path / "expected")
    workshop.finished(workshop.spec(n=50, shard_size=16, name="endotwin-tiny-7"), expected)
    assert digests(FolderDestination(tmp_path / "data")) == digests(expected)


def test_verifying_names_what_is_wrong_and_repairs_it(run: Run, tmp_path: Path) -> None:
    run(*SMALL, "data")
    before = digests(FolderDestination(tmp_path / "data"))
    path = tmp_path / "data" / "train" / "shard-000001.tar"
    content = bytearray(path.read_bytes())
    content[700] ^= 255
    path.write_bytes(content)
    found = run("--verify", "data")
    assert found.exit_code == 1
    assert "train/shard-000001.tar: its sha256 is" in found.output
    assert "1 wrong; with --replace-wrong they are made again" in found.output
    repaired = run("--verify", "--replace-wrong", "data")
    assert repaired.exit_code == 0, repaired.output
    assert "1 shards made, 2 were there" in repaired.output
    assert digests(FolderDestination(tmp_path / "data")) == before


def test_only_the_checkpoint_that_made_a_set_repairs_it(
    run: Run, workshop: Workshop, tmp_path: Path
) -> None:
    run(*SMALL, "data")
    (tmp_path / "data" / "README.md").unlink()
    other = tmp_path / "other.safetensors"
    generator = copy.deepcopy(workshop.checkpoint.generator)
    with torch.no_grad():
        next(generator.parameters()).add_(1)
    save_checkpoint(other, generator, workshop.card)
    refused = run("--verify", "--replace-wrong", "--checkpoint", other, "data")
    assert refused.exit_code == 1
    assert (
        f"{load_checkpoint(other).generator_sha256}; name the right one with --checkpoint" in refused.output
    )
    rescored = tmp_path / "rescored.safetensors"
    save_checkpoint(rescored, workshop.checkpoint.generator, make_card("tiny", 99.0))
    repaired = run("--verify", "--replace-wrong", "--checkpoint", rescored, "data")
    assert repaired.exit_code == 0, repaired.output


def test_a_dry_run_writes_nothing(run: Run, tmp_path: Path) -> None:
    result = run(*SMALL, "--dry-run", "data")
    assert result.exit_code == 0, result.output
    assert "train/shard-000000.tar to train/shard-000002.tar" in result.output
    assert "to make: 3 shards with 40 images, about" in result.output
    assert "images/s" in result.output
    assert list(tmp_path.iterdir()) == []
    run(*SMALL, "data", "--shards", "0:2")
    assert "to make: 1 shards with 8 images" in run(*SMALL, "--dry-run", "data").output
    (tmp_path / "data" / "train" / "shard-000000.tar").write_text("foreign")
    assert "wrong, made again only with --replace-wrong" in run(*SMALL, "--dry-run", "data").output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["data"], "give --n and --seed"),
        (["--n", "5", "data"], "give --n and --seed"),
        (["--n", "5", "--seed", "7"], "Missing argument"),
        (["--n", "0", "--seed", "7", "data"], "--n (number of images)"),
        (["--n", "5", "--seed", "-1", "data"], "--seed (seed of the images)"),
        (["--n", "5", "--seed", "7", "--start", str(2**53), "data"], "--start"),
        (["--n", "5", "--seed", "7", "--format", "npy", "data"], "--format"),
        (["--n", "5", "--seed", "7", "--name", "../x", "data"], "--name"),
        (["--n", "5", "--seed", "7", "--shards", "5:6", "data"], "A below 5, the number of shards"),
        (["--n", "5", "--seed", "7", "--validation-every", "1", "data"], "--validation-every"),
        (["--n", "5", "--seed", "7", "--validation-every", "9", "data"], "some for validation, got 9"),
        (["--n", "5", "--seed", "7", "--part", "2/2", "data"], "0 <= I < N, part I of N equal ones"),
        (["--n", "5", "--seed", "7", "--part", "0/2", "--shards", "0:1", "data"], "--part, not both"),
        (["--n", "5", "--seed", "7", "s3://bucket/../x"], "neither empty nor . nor .."),
        (["--n", "5", "--seed", "7", "http://host/x"], "a folder or s3://bucket/prefix"),
        (["--verify", "--n", "5", "data"], "--verify takes the set as its manifest describes it"),
        (["--n", "5", "--seed", "7", "--model", "a", "--checkpoint", "b", "data"], "not both"),
        (["--n", "5", "--seed", "7", "--model", "other", "data"], "no model 'other'; there are tiny"),
        (["--n", "5", "--seed", "7", "--device", "tpu", "data"], "cpu, cuda or cuda:INDEX, got 'tpu'"),
        (["--n", "5", "--seed", "7", "--labels", "soft", "data"], "labels takes a labelled model"),
    ],
)
def test_bad_usage_is_explained(arguments: list[str], message: str, run: Run, tmp_path: Path) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())
    assert list(tmp_path.iterdir()) == []


def test_a_failure_is_one_line(run: Run, tmp_path: Path) -> None:
    result = run("--verify", "data")
    assert result.exit_code == 1
    assert "no set is there, or one that is not finished yet" in result.output
    assert len(result.output.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.long)])
def test_a_stopped_command_leaves_nothing_half(
    number: signal.Signals, tiny_checkpoint: Path, workshop: Workshop, tmp_path: Path
) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job of a shell ignores it
    folder = FolderDestination(tmp_path / "data")
    process = start_command(
        tiny_checkpoint, tmp_path, "--n", 100_000, "--seed", 7, "--shard-size", 16, folder.path("")
    )
    try:
        wait_for(lambda: any(folder.list_keys("train/")) or process.poll() is not None, "the first shard")
        process.send_signal(number)
        output, _ = process.communicate(timeout=PATIENCE_SECONDS)
    finally:
        process.kill()
    assert process.returncode not in (0, -signal.SIGKILL)
    assert "Traceback" not in output
    assert list(folder.unfinished.iterdir()) == []
    spec = workshop.spec(n=100_000, shard_size=16, name="endotwin-tiny-7")
    state = inspect_shards(spec, folder, plan_set(spec))
    assert state.complete
    assert (state.wrong, state.too_short) == ({}, [])


def test_help_needs_neither_torch_nor_boto3() -> None:
    program = (
        "import sys; from typer.testing import CliRunner; from endotwin.cli.main import app;"
        "assert CliRunner().invoke(app, ['set', '--help']).exit_code == 0;"
        "print([name for name in ('torch', 'boto3', 'botocore') if name in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=os.environ,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(result.stdout.replace("'", '"')) == []
