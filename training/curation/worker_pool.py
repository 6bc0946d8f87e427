"""A pool of worker processes, in bounded memory; a file that kills its process costs no other file."""

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

_QUEUED = 4
"""Items per worker that are submitted at a time."""


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
        submitted: dict[Future[_Result], _Item] = {}
        executor = _executor(workers)
        try:
            while waiting or submitted:
                while waiting and len(submitted) < workers * _QUEUED:
                    submitted[executor.submit(function, waiting[-1])] = waiting[-1]
                    waiting.pop()
                for future in wait(submitted, return_when=FIRST_COMPLETED).done:
                    result = future.result()
                    yield submitted.pop(future), result
        except BrokenProcessPool:
            # One of the submitted items did it: each is tried again in a process of its own.
            for item in list(submitted.values()):
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
    context.set_forkserver_preload(["training.curation.worker_tasks"])
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_prepare_worker)


def _prepare_worker() -> None:
    """Prepare a worker: one thread; Ctrl-C is for its parent alone; it ends when its parent ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)
    parent = multiprocessing.parent_process()
    if parent is not None:

        def end_with_parent() -> None:
            wait_for([parent.sentinel])
            os._exit(1)

        threading.Thread(target=end_with_parent, daemon=True).start()
