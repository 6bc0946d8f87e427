"""Work shared out over processes, in bounded memory, that outlives a file which kills its decoder."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait as wait_for
from typing import TypeVar

import cv2

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_IN_HAND = 4
"""Items per worker that are handed out at a time."""


def available_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run_each(
    function: Callable[[_Item], _Result], items: Sequence[_Item], workers: int
) -> Iterator[tuple[_Item, _Result | None]]:
    """Yield every item with its result as it comes, in no order; None where the worker process died.

    Args:
        function: pickled, as items and results are; it raises nothing that is expected.
        items: what to work on.
        workers: processes.
    """
    waiting = list(reversed(items))
    while waiting:
        in_hand: dict[Future[_Result], _Item] = {}
        executor = _executor(workers)
        try:
            while waiting or in_hand:
                while waiting and len(in_hand) < workers * _IN_HAND:
                    in_hand[executor.submit(function, waiting[-1])] = waiting[-1]
                    waiting.pop()
                for future in wait(in_hand, return_when=FIRST_COMPLETED).done:
                    result = future.result()
                    yield in_hand.pop(future), result
        except BrokenProcessPool:
            # One of those in hand did it. Each gets a process of its own.
            for item in list(in_hand.values()):
                yield item, _alone(function, item)
        finally:
            executor.shutdown(cancel_futures=True)


def _alone(function: Callable[[_Item], _Result], item: _Item) -> _Result | None:
    with _executor(1) as executor:
        try:
            return executor.submit(function, item).result()
        except BrokenProcessPool:
            return None


def _executor(workers: int) -> ProcessPoolExecutor:
    # A fork server starts workers fast and copies no locks of this process; it is not everywhere.
    methods = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
    context.set_forkserver_preload(["training.curation.measuring"])
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_begin)


def _begin() -> None:
    """Prepare a worker: one thread, deaf to Ctrl-C, which its parent answers, and gone with its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)
    parent = multiprocessing.parent_process()
    if parent is not None:

        def leave() -> None:
            wait_for([parent.sentinel])
            os._exit(1)

        threading.Thread(target=leave, daemon=True).start()
