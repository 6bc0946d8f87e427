"""Trying again: with growing pauses, for a limited time, and stoppable at any moment."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

_Result = TypeVar("_Result")

_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 30.0
_GLANCE_SECONDS = 0.2  # how often a pause looks whether to stop


@dataclass(frozen=True)
class Retry:
    """How long and how to try again.

    Attributes:
        patience_seconds: from the first failure of a call on.
        stop_if_asked: is called before every attempt and during pauses; what it raises ends the work.
        note: is told about every failure that is tried again.
    """

    patience_seconds: float
    stop_if_asked: Callable[[], None]
    note: Callable[[str], None]

    def call(
        self, what: str, function: Callable[[], _Result], is_transient: Callable[[Exception], bool]
    ) -> _Result:
        """Call a function until it succeeds; raise a failure that is not transient or lasts too long."""
        pause = _FIRST_PAUSE_SECONDS
        first_failure: float | None = None
        while True:
            self.stop_if_asked()
            try:
                return function()
            except Exception as error:
                now = time.monotonic()
                first_failure = now if first_failure is None else first_failure
                left = first_failure + self.patience_seconds - now
                if left <= 0 or not is_transient(error):
                    raise
                self.note(f"{what}: {error}; trying again, for {left:.0f} s at most")
            # A random share of the pause, so that many workers do not come back at the same moment.
            self._pause(min(pause * random.uniform(0.5, 1.0), left))
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def _pause(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.stop_if_asked()
            time.sleep(min(left, _GLANCE_SECONDS))
