"""Stopping a long command at a safe place.

An exception raised by a signal handler can get lost: native code that imports or calls back into Python
drops it, and the command goes on. So the first signal is only recorded, and checked between batches.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def noted_signals() -> Iterator[Callable[[], None]]:
    """Note SIGINT (Ctrl-C) and SIGTERM while the block runs, in the main thread.

    Yields:
        A function to call wherever it is safe to stop: it raises KeyboardInterrupt or SystemExit if a
        signal has come. A second signal raises at once, wherever the program is.
    """
    noted: list[int] = []

    def stop() -> None:
        if noted and noted[-1] == signal.SIGTERM:
            sys.exit(128 + signal.SIGTERM)
        if noted:
            raise KeyboardInterrupt

    def note(number: int, _: FrameType | None) -> None:
        noted.append(number)
        if len(noted) > 1:
            stop()

    # What is ignored stays ignored: a shell starts background jobs so.
    before = {n: signal.getsignal(n) for n in _SIGNALS if signal.getsignal(n) is not signal.SIG_IGN}
    try:
        for number in before:
            signal.signal(number, note)
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
