"""Retries of a request: with growing pauses, for a limited time, stoppable at any moment."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception, wait_random_exponential

_Result = TypeVar("_Result")

_STEP_SECONDS = 0.2
"""Between two checks during a pause whether to stop."""

# Random, so that many workers do not come back at the same moment.
_next_pause = wait_random_exponential(multiplier=0.5, min=0.25, max=30)


@dataclass(frozen=True)
class Retry:
    """How long and how to retry.

    Attributes:
        patience_seconds: how long a call is retried, counted from its first failure.
        stop_if_asked: called before every attempt and during pauses; what it raises ends the call.
        note: called with a line of text for every failure that is retried.
        sleep: waits for a number of seconds.
    """

    patience_seconds: float
    stop_if_asked: Callable[[], None]
    note: Callable[[str], None]
    sleep: Callable[[float], None] = time.sleep

    def call(
        self, what: str, request: Callable[[], _Result], is_passing: Callable[[BaseException], bool]
    ) -> _Result:
        """Call `request` until it succeeds; raise a failure that does not pass or lasts too long.

        Args:
            what: what is tried, for notes.
            request: the function to call.
            is_passing: returns whether a failure may pass by itself.
        """
        deadline = 0.0

        def wait(state: RetryCallState) -> float:
            nonlocal deadline
            if state.attempt_number == 1:
                deadline = time.monotonic() + self.patience_seconds
            return max(0.0, min(_next_pause(state), deadline - time.monotonic()))

        def note(state: RetryCallState) -> None:
            error = state.outcome.exception() if state.outcome else None
            left = deadline - time.monotonic()
            self.note(f"{what}: {error}; trying again, for {left:.0f} s at most")

        retrying = Retrying(
            sleep=self._pause,
            stop=lambda _: time.monotonic() >= deadline,
            wait=wait,
            retry=retry_if_exception(is_passing),
            before=lambda _: self.stop_if_asked(),
            before_sleep=note,
            reraise=True,
        )
        return retrying(request)

    def _pause(self, seconds: float) -> None:
        while seconds > 0:
            self.stop_if_asked()
            self.sleep(min(seconds, _STEP_SECONDS))
            seconds -= _STEP_SECONDS
