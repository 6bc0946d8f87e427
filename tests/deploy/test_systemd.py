"""deploy/endotwin.service: a unit that systemd takes, with options that there are."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from configparser import ConfigParser
from pathlib import Path

import pytest
from packages import ROOT
from typer.testing import CliRunner

from endotwin.cli.main import app

TEXT = (ROOT / "deploy" / "endotwin.service").read_text()
UNIT = ConfigParser(interpolation=None)
UNIT.optionxform = str  # type: ignore[assignment,method-assign]
UNIT.read_string(TEXT)
SERVICE = UNIT["Service"]
_, *COMMAND = shlex.split(SERVICE["ExecStart"])


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_finds_nothing(tmp_path: Path) -> None:
    unit = tmp_path / "endotwin.service"
    unit.write_text(TEXT.replace("/opt/endotwin/bin/endotwin", "/bin/true"))
    command = ["systemd-analyze", "verify", unit]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (said.returncode, said.stdout + said.stderr) == (0, "")


def test_it_starts_the_service_with_options_that_there_are() -> None:
    assert COMMAND[0] == "serve"
    shown = CliRunner().invoke(app, ["serve", "--help"], env={"TERM": "dumb", "COLUMNS": "200"}).output
    assert all(option in shown for option in COMMAND if option.startswith("--"))


def test_a_stop_ends_before_the_kill() -> None:
    grace = int(COMMAND[COMMAND.index("--grace-seconds") + 1])
    assert grace <= int(SERVICE["TimeoutStopSec"]) - 10


def test_it_runs_as_an_ordinary_user_in_a_system_that_is_read_only() -> None:
    assert SERVICE["User"] == "endotwin"
    assert SERVICE["ProtectSystem"] == "strict"
    assert SERVICE["NoNewPrivileges"] == "yes"
    assert SERVICE["CapabilityBoundingSet"] == ""
