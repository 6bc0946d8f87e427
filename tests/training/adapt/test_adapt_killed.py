"""An adaptation that is killed in any stage, or stopped: the same command goes on and ends well."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest
from adapt_tools import adapt_arguments, adapt_program, write_mosaics
from waiting import wait_for

from endotwin.generator.checkpoint import read_card

pytestmark = pytest.mark.long

ROOT = Path(__file__).resolve().parents[3]
LONG = 300.0


def begun(arguments: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        adapt_program(arguments),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # so that its worker processes can be ended with it
    )


def finished(arguments: list[str]) -> str:
    done = subprocess.run(
        adapt_program(arguments), cwd=ROOT, capture_output=True, text=True, check=False, timeout=2 * LONG
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_killed_in_every_stage(labelled_checkpoint: Path, tmp_path: Path) -> None:
    images = write_mosaics(tmp_path / "images", 6)
    output, work = tmp_path / "mine.safetensors", tmp_path / "mine.private"
    arguments = adapt_arguments(images, output, labelled_checkpoint, "--hours", "0.004")
    stages = {
        "curation": lambda: list(work.glob("curation/work.private/**/*.npz")),
        "measuring": lambda: work.joinpath("measured.json").exists(),
        "training": lambda: output.exists() and list(work.glob("runs/*/state.pt")),
        "the search for copies": lambda: work.joinpath("trained.json").exists(),
    }
    for stage, reached in stages.items():
        process = begun(arguments)
        try:
            wait_for(lambda reached=reached: bool(reached()), stage)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            said, _ = process.communicate()
        assert process.returncode == -signal.SIGKILL, (stage, said)
        assert "Traceback" not in said, stage
        if stage == "training":  # what was written last is whole
            seen = read_card(output).training.images_seen
            assert seen > 0
    said = finished(arguments)
    assert "Will     not train" in said
    assert read_card(output).training.images_seen >= seen
    assert not [path for path in tmp_path.rglob("*") if path.suffix == ".tmp"]


def test_ctrl_c_leaves_a_usable_checkpoint_and_the_same_command_goes_on(
    labelled_checkpoint: Path, tmp_path: Path
) -> None:
    images = write_mosaics(tmp_path / "images", 4)
    output, work = tmp_path / "mine.safetensors", tmp_path / "mine.private"
    arguments = adapt_arguments(images, output, labelled_checkpoint, "--hours", "1")
    process = begun(arguments)
    try:
        wait_for((work / "sheet.png").exists, "the first sheet")
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=LONG)
    finally:
        process.kill()
    assert process.returncode == 0, said
    stopped = re.search(r"Stopped after (\S+) images", said)
    assert stopped is not None, said
    seen = read_card(output).training.images_seen
    assert seen == int(stopped[1].replace(",", ""))
    said = finished([*arguments, "--hours", "0.0001"])
    assert f"not train: {stopped[1]} images were seen" in said
