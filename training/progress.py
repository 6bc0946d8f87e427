"""The progress of long work: a bar on a terminal, a line a minute in a log file."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any, TextIO, TypeVar

from tqdm import tqdm

_LOG_INTERVAL = 60.0
"""Seconds between two lines in a log file."""

_Step = TypeVar("_Step")


def show_progress(steps: Iterable[Any] | None = None, **options: Any) -> tqdm:
    """Return a bar of tqdm on standard error; where that is no terminal, a line a minute.

    A bar is redrawn many times a second over itself, which a log file keeps as one endless line.

    Args:
        steps: to be gone through, or None if the bar's `update` is called instead.
        options: of tqdm, but for `file` and its intervals.
    """
    if not sys.stderr.isatty():
        options["file"] = _Lines(sys.stderr)
        options["mininterval"] = options["maxinterval"] = _LOG_INTERVAL
    return tqdm(steps, **options)


def shown_steps(steps: Iterable[_Step], what: str, total: int) -> Iterable[_Step]:
    """Return the steps, and show how many of the total are done."""
    shown: Iterable[_Step] = show_progress(steps, desc=what, total=total, unit="")
    return shown


class _Lines:
    """A stream for tqdm: each state of the bar is a line of its own, not drawn over the last."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        """Write a line without what moves a terminal's cursor; nothing for a text of only that."""
        line = text.strip()
        if line:
            self._stream.write(f"{line}\n")

    def flush(self) -> None:
        """Write out what is buffered."""
        self._stream.flush()
