"""Run `endotwin` in an empty folder."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from endotwin.cli.main import app

Run = Callable[..., Result]


def command_in(folder: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs the command in a folder, with one checkpoint and no other setting."""
    for name in [name for name in os.environ if name.startswith("ENDOTWIN_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("ENDOTWIN_CHECKPOINT_DIR", str(checkpoint.parent))
    monkeypatch.setenv("ENDOTWIN_DEFAULT_MODEL", "tiny")
    monkeypatch.chdir(folder)
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])
