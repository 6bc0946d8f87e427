import re
import sys

import pytest

from training import progress
from training.progress import show_progress, shown_steps


class _Terminal:
    """Standard error that says it is a terminal."""

    encoding = "utf-8"

    def __init__(self) -> None:
        self.text = ""

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> None:
        self.text += text

    def flush(self) -> None:
        pass


def test_a_log_gets_whole_lines(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_LOG_INTERVAL", 0.0)
    with show_progress(total=3, unit="img") as bar:
        for _ in range(3):
            bar.update()
    written = capsys.readouterr().err
    assert "\r" not in written
    shown = [re.search(r"(\d)/3", line) for line in written.splitlines()]
    assert [int(found[1]) for found in shown if found is not None][:4] == [0, 1, 2, 3]
    assert all(found is not None for found in shown)


def test_a_log_gets_the_start_and_the_end_of_what_takes_less_than_a_minute(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert list(shown_steps(range(5000), "reading", 5000)) == list(range(5000))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("reading:   0%")
    assert "5000/5000" in lines[1]


def test_a_terminal_has_a_bar_that_is_drawn_over_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with show_progress(total=3, mininterval=0.0) as bar:
        for _ in range(3):
            bar.update()
    assert terminal.text.count("\r") >= 4
    assert terminal.text.count("\n") == 1


def test_quiet_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with show_progress(total=3, disable=True) as bar:
        bar.update(3)
    assert capsys.readouterr().err == ""
