"""The device and the one thread that owns it."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from endotwin.generator.batch import Batch
from endotwin.image_range import ImageRange
from endotwin.mosaic.parameters import Conditions
from service import metrics
from service.models import Model

_Result = TypeVar("_Result")

_STREAMS_BEFORE_A_JOB = 8
"""Batches of streams that go before one of a job that waits, so that many streams do not stop a job."""


_Work = tuple[Future[Any], Callable[[], Any]]
"""What to run, and the future of its result."""


class DeviceQueue:
    """Run one batch after the other in one thread: those of streams first, in the order of the requests.

    Every stream asks for one batch at a time, so the queue shares the device round robin between them.
    Jobs have a queue of their own, whose turn comes when no stream waits, and after every
    `_STREAMS_BEFORE_A_JOB` batches of streams. What a job does beside the device takes processor time from
    the streams: it calls `wait_for_streams` in between.
    """

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="device")
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._streams: deque[_Work] = deque()
        self._jobs: deque[_Work] = deque()
        self._stream_runs = False
        self._streams_since_job = 0

    def call(self, function: Callable[..., _Result], *arguments: object) -> _Result:
        """Run a function in the device's thread and wait for it: for start-up, not for the event loop."""
        return self._executor.submit(function, *arguments).result()

    def generate(self, model: Model, part: ImageRange, conditions: Conditions | None) -> Future[Batch]:
        """Queue images of one aligned batch for a stream.

        Returns:
            A future. Cancelled while it is still queued, the batch is not generated.
        """
        return self._queue(self._streams, partial(timed_batch, model, part, conditions))

    def generate_for_job(self, model: Model, part: ImageRange, conditions: Conditions | None) -> Batch:
        """Generate images of one aligned batch for a job, when its turn comes: not for the event loop.

        Scenes are drawn in the calling thread: that takes as long as the network does, and a stream that
        comes meanwhile waits for one of them at most.

        Raises:
            concurrent.futures.CancelledError: the service stops.
        """
        drawing = model.sampler.draw(part, conditions, self.wait_for_streams)
        work = partial(_timed, model, partial(model.sampler.render, drawing))
        return self._queue(self._jobs, work).result()

    def wait_for_streams(self) -> None:
        """Wait, in a job's own thread, while a stream has a batch on the device or in its queue.

        Not for more than `_STREAMS_BEFORE_A_JOB` batches after each batch of a job.
        """
        with self._changed:
            self._changed.wait_for(lambda: not self._has_streams() or self._job_is_due())

    def close(self) -> None:
        """Drop what is queued; the batch that is being generated comes to its end."""
        self._executor.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            dropped = [*self._streams, *self._jobs]
            self._streams.clear()
            self._jobs.clear()
            self._changed.notify_all()
        for work in dropped:
            work[0].cancel()

    def _queue(self, queue: deque[_Work], function: Callable[[], _Result]) -> Future[_Result]:
        future: Future[_Result] = Future()
        with self._lock:
            # Under the lock, so that `close` sees everything that was queued.
            self._executor.submit(self._run_next)
            queue.append((future, function))
        return future

    def _run_next(self) -> None:
        work = self._next()
        if work is not None and work[0].set_running_or_notify_cancel():
            _run(*work)
        with self._changed:
            self._stream_runs = False
            self._changed.notify_all()

    def _next(self) -> _Work | None:
        """Take the next work from the queues; None if everything was dropped meanwhile."""
        with self._lock:
            if self._jobs and (not self._streams or self._job_is_due()):
                self._streams_since_job = 0
                return self._jobs.popleft()
            if not self._streams:
                return None
            self._stream_runs = True
            self._streams_since_job += 1
            return self._streams.popleft()

    def _has_streams(self) -> bool:
        return self._stream_runs or bool(self._streams)

    def _job_is_due(self) -> bool:
        return self._streams_since_job >= _STREAMS_BEFORE_A_JOB


def _run(future: Future[Any], function: Callable[[], Any]) -> None:
    try:
        future.set_result(function())
    except BaseException as error:
        future.set_exception(error)
        del future  # else the error holds this frame, and this frame the error


def timed_batch(model: Model, part: ImageRange, conditions: Conditions | None) -> Batch:
    """Generate images of one aligned batch in the calling thread and record how long it took."""
    return _timed(model, partial(model.sampler.batch, part, conditions))


def _timed(model: Model, work: Callable[[], _Result]) -> _Result:
    """Run one batch of a model in the calling thread and record how long it took."""
    began = time.perf_counter()
    result = work()
    metrics.DEVICE_SECONDS.labels(model.name).observe(time.perf_counter() - began)
    return result
