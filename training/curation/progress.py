"""The progress bar of commands that go through many images."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from tqdm import tqdm

_Step = TypeVar("_Step")


def shown_steps(steps: Iterable[_Step], what: str, total: int) -> Iterable[_Step]:
    """Return the steps, and show on a terminal how many of the total are done."""
    # Only on a terminal: tqdm's bar makes no sense in a log file.
    bar: Iterable[_Step] = tqdm(steps, desc=what, total=total, unit="", disable=None)
    return bar
