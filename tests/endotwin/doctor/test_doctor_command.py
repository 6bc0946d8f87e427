"""`endotwin doctor` as a person runs it: its lines, its exit codes, damaged checkpoints, wrong settings."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from absent_packages import without_packages
from failing_system import as_ordinary_user, folder_for_everyone
from live_server import PATIENCE_SECONDS, ROOT, environment, free_port

from endotwin.doctor import examination, models
from endotwin.doctor.finding import Finding, Level
from endotwin.doctor.models import examine_checkpoints, examine_device
from endotwin.settings import Settings

COMMAND_LINE = "from endotwin.cli.main import app; sys.argv[0] = 'endotwin'; app()"

Doctor = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def doctor(tmp_path: Path, tiny_checkpoint: Path) -> Doctor:
    """Return a function that runs the command with some settings."""

    def run(*arguments: str, code: str | None = None, **settings: str) -> subprocess.CompletedProcess[str]:
        command = ["-m", "endotwin.cli.main"] if code is None else ["-c", code]
        return subprocess.run(
            [sys.executable, *command, "doctor", "--port", str(free_port()), *arguments],
            cwd=ROOT,
            env=environment(tmp_path, **{"checkpoint_dir": str(tiny_checkpoint.parent), **settings}),
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )

    return run


def levels(found: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """Return the worst level of every subject."""
    assert found.stderr == ""
    worst: dict[str, str] = {}
    order = list(Level)
    for line in found.stdout.splitlines():
        level, subject, *_ = line.split()
        if level in order:
            worst[subject] = max(worst.get(subject, "ok"), level, key=order.index)
    return worst


def test_all_is_well(doctor: Doctor) -> None:
    found = doctor()
    assert found.returncode == 0, found.stdout
    assert {"settings", "memory", "clock", "device", "checkpoint", "storage", "port"} <= levels(
        found
    ).keys()
    assert "ok       checkpoint    tiny.safetensors: model tiny, FID 123.50" in found.stdout
    assert found.stdout.splitlines()[-1].startswith("nothing is wrong")


def test_wrong_settings_and_a_port_in_use(doctor: Doctor) -> None:
    found = doctor(max_images="many")
    assert found.returncode == 1
    assert "problem  settings      ENDOTWIN_MAX_IMAGES: " in found.stdout
    assert levels(found)["memory"] in ("ok", "advice")
    assert found.stdout.endswith("1 problem\n")


def test_without_the_extra_of_the_service(doctor: Doctor) -> None:
    """Packages that are not there: as if only `pip install endotwin` had been run."""
    absent = ["bentoml", "fastapi", "uvicorn", "prometheus_client", "boto3", "botocore", "starlette"]
    found = doctor(code=without_packages(absent, COMMAND_LINE))
    assert found.returncode == 0, found.stdout + found.stderr
    assert levels(found)["packages"] == "advice"
    assert "port" not in levels(found)
    assert "pip install 'endotwin[service]'" in found.stdout
    assert found.stdout.endswith("nothing is wrong; there is advice above\n")


def test_without_torch(doctor: Doctor) -> None:
    found = doctor(code=without_packages(["torch"], COMMAND_LINE))
    problems = [line for line in found.stdout.splitlines() if line.startswith("problem")]
    assert problems == ["problem  packages      no image can be made without torch: pip install endotwin"]
    assert not {"device", "checkpoints"} & levels(found).keys()
    assert found.stdout.endswith("1 problem\n")


def texts(found: list[Finding], level: Level) -> list[str]:
    return [finding.text for finding in found if finding.level is level]


def test_checkpoints(tmp_path: Path, tiny_checkpoint: Path) -> None:
    settings = Settings(checkpoint_dir=tmp_path)
    assert "no *.safetensors" in texts(list(examine_checkpoints(settings)), Level.PROBLEM)[0]
    content = bytearray(tiny_checkpoint.read_bytes())
    for name, damaged in (("cut", content[:-100]), ("flipped", content[:-9] + b"\x00" + content[-8:])):
        (tmp_path / f"{name}.safetensors").write_bytes(damaged)
    shutil.copy(tiny_checkpoint, tmp_path / "good.safetensors")
    shutil.copy(tiny_checkpoint, tmp_path / "same.safetensors")
    found = list(examine_checkpoints(settings))
    cut, flipped, same = texts(found, Level.PROBLEM)
    assert "cut.safetensors" in cut
    assert "altered or damaged" in flipped
    assert "both cards have the name tiny" in same
    assert texts(found, Level.OK) == ["good.safetensors: model tiny, FID 123.50", "model tiny"]


def test_checkpoints_that_cannot_be_read(tmp_path: Path) -> None:
    [missing] = examine_checkpoints(Settings(checkpoint_dir=tmp_path / "no"))
    assert missing.level is Level.PROBLEM
    with folder_for_everyone() as folder:
        folder.chmod(0o700)
        with as_ordinary_user():
            [closed] = examine_checkpoints(Settings(checkpoint_dir=folder))
        folder.chmod(0o755)
    assert closed.text == f"{folder} cannot be read by this user"


def test_a_default_that_is_not_there(tiny_checkpoint: Path) -> None:
    *_, last = examine_checkpoints(Settings(checkpoint_dir=tiny_checkpoint.parent, default_model="huge"))
    assert (last.level, last.subject) == (Level.PROBLEM, "default")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    [finding] = examine_device(Settings(device="cuda"))
    assert finding.level is Level.PROBLEM
    assert "torch sees no GPU" in finding.text
    [finding] = examine_device(Settings())
    assert finding.text.startswith("cpu ")
    (tmp_path / "version").write_text("NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.1")
    monkeypatch.setattr(models, "_DRIVER", tmp_path / "version")
    driver, device = examine_device(Settings())
    assert (driver.level, device.level) == (Level.ADVICE, Level.OK)
    assert "there is an NVIDIA driver, but" in driver.text
    monkeypatch.setattr(torch.version, "cuda", None)
    assert "CPU build" in next(iter(examine_device(Settings()))).text


def test_a_check_that_fails_is_no_obstacle_to_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise KeyError("MemAvailable")

    for name in [name for name in os.environ if name.startswith("ENDOTWIN_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(examination, "examine_memory", fail)
    found = {finding.subject: finding for finding in examination.examine("127.0.0.1", free_port(), ())}
    assert found["memory"].text == "this could not be looked at: KeyError: 'MemAvailable'"
    assert found["clock"].level is Level.OK
