"""A labelled checkpoint to start from, and the command line in this process."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from training.adapt import memorisation
from training.cli.main import main
from training.population import folder

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def console(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Return a function that runs `endotwin-training`: exit code, standard output, standard error."""
    monkeypatch.setattr(memorisation, "EXAMINED", 16)
    monkeypatch.setattr(folder, "_SIDE_IMAGES", 2)

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["endotwin-training", *map(str, arguments)])
        try:
            main()
            code = 0
        except SystemExit as ended:
            code = int(ended.code or 0)
        return code, *capsys.readouterr()

    return run
