"""The devices, what waits for them, and what shares a batch.

A batch always has the same shape (`endotwin.generator.sampler`); requests for fewer images share one.
"""

from __future__ import annotations

import atexit
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from endotwin.image_range import BATCH, ImageRange
from service import metrics
from service.device_work import DeviceFailedError, DeviceUnavailableError, Work, record_waits, run_work
from service.device_worker import DeviceWorker

if TYPE_CHECKING:
    from endotwin.generator.batch import Batch
    from endotwin.mosaic.parameters import Conditions
    from service.models import Model

_Result = TypeVar("_Result")

_STREAMS_BEFORE_A_JOB = 8
"""Batches of streams that go before one of a job that waits, so that many streams do not stop a job."""

_JOB_PATIENCE_SECONDS = 10.0
"""How long a job waits for a device that has failed, before another service may take it over."""

_GONE_SECONDS = 60.0
"""How long all devices may be in a state that only a new process leaves before `needs_restart` says so."""

_EXIT_SECONDS = 5.0


class DeviceQueue:
    """Run batches on the devices of the service: those of streams first, in the order of the requests.

    Every stream asks for one batch at a time, so the queue shares the devices round robin between them. The
    work that has waited longest goes next, and where it needs only a part of a batch, others that fit go
    with it. Jobs have a queue of their own, whose turn comes when no stream waits, and after every
    `_STREAMS_BEFORE_A_JOB` batches of streams. What a job does beside the device takes processor time from
    the streams: it calls `wait_for_streams` in between.

    A device that fails gets no work until it works again. What it was working on goes to another one, or
    fails with `DeviceUnavailableError` if there is none, as everything does that is queued then.
    """

    def __init__(self, devices: int = 1) -> None:
        """Start a thread for each of the devices."""
        self._changed = threading.Condition()
        self._streams: deque[Work] = deque()
        self._jobs: deque[Work] = deque()
        self._streams_running = 0
        self._streams_since_job = 0
        self._closed = False
        metrics.DEVICES_READY.inc(devices)
        self._workers = [DeviceWorker(index, self._serve) for index in range(devices)]
        atexit.register(self._end)

    @property
    def problem(self) -> str | None:
        """Why nothing can be generated now, in a few words; None while one of the devices works."""
        problems = [worker.problem for worker in self._workers]
        return None if None in problems else "; ".join(sorted({str(problem) for problem in problems}))

    @property
    def needs_restart(self) -> bool:
        """Whether all devices have been in a state for a while that only a new process leaves."""
        return all(worker.seconds_gone > _GONE_SECONDS for worker in self._workers)

    def call(self, function: Callable[..., _Result], *arguments: object, device: int = 0) -> _Result:
        """Run a function in a device's thread and wait for it: not for the event loop.

        Raises:
            concurrent.futures.CancelledError: the service stops.
        """
        future: Future[_Result] = Future()
        with self._changed:
            if self._closed:
                raise CancelledError
            self._workers[device].calls.append((future, partial(function, *arguments)))
            self._changed.notify_all()
        return future.result()

    def generate(self, model: Model, part: ImageRange, conditions: Conditions | None) -> Future[Batch]:
        """Queue images of one aligned batch for a stream.

        Returns:
            A future. Cancelled while it is still queued, the batch is not generated.
        """
        return self._queue(self._streams, Work(model, part, conditions))

    def generate_for_job(self, model: Model, part: ImageRange, conditions: Conditions | None) -> Batch:
        """Generate images of one aligned batch for a job, when its turn comes: not for the event loop.

        Scenes are drawn in the calling thread: that takes as long as the network does, and a stream that
        comes meanwhile waits for one of them at most.

        Raises:
            concurrent.futures.CancelledError: the service stops, or no device has worked for a while.
        """
        drawing = model.samplers[0].draw(part, conditions, self.wait_for_streams)
        while True:
            try:
                return self._queue(self._jobs, Work(model, part, conditions, drawing)).result()
            except DeviceUnavailableError as error:
                with self._changed:
                    works = self._changed.wait_for(
                        lambda: self._closed or self._devices_work(), _JOB_PATIENCE_SECONDS
                    )
                if not works or self._closed:
                    raise CancelledError from error

    def wait_for_streams(self) -> None:
        """Wait, in a job's own thread, while a stream has a batch on a device or in its queue.

        Not for more than `_STREAMS_BEFORE_A_JOB` batches after each batch of a job.
        """
        with self._changed:
            self._changed.wait_for(lambda: not self._has_streams() or self._job_is_due())

    def close(self) -> None:
        """Drop what is queued; the batches that are being generated come to their end."""
        with self._changed:
            if not self._closed:
                metrics.DEVICES_READY.dec(sum(worker.failure is None for worker in self._workers))
            self._closed = True
            dropped = [work.future for work in (*self._streams, *self._jobs)]
            dropped += [future for worker in self._workers for future, _ in worker.calls]
            self._streams.clear()
            self._jobs.clear()
            self._count_waiting()
            for worker in self._workers:
                worker.calls.clear()
            self._changed.notify_all()
        for future in dropped:
            future.cancel()

    def _end(self) -> None:
        """Close, and let the threads end: torch aborts a process that ends while one is in its code."""
        self.close()
        for worker in self._workers:
            worker.join(_EXIT_SECONDS)

    def _queue(self, queue: deque[Work], work: Work) -> Future[Batch]:
        with self._changed:
            if self._closed:
                work.future.cancel()
            elif not self._devices_work():
                work.fail(DeviceUnavailableError(str(self.problem)))
            else:
                queue.append(work)
                self._count_waiting()
                self._changed.notify_all()
        return work.future

    def _serve(self, worker: DeviceWorker) -> bool:
        """Wait for something to do on a device and do it; return False when the service stops."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._closed or worker.calls or (worker.failure is None and self._has_work()),
                None if worker.failure is None else worker.pause,
            )
            if self._closed:
                return False
            call = worker.calls.popleft() if worker.calls else None
            group: list[Work] = []
            if call is None and worker.failure is None:
                group = self._take()
                self._count_waiting()
                record_waits(group)
        if call is not None:
            _call(*call)
        elif worker.failure is not None:
            worker.try_again()
        elif group:
            self._generate(worker, group)
        with self._changed:
            self._changed.notify_all()
        return True

    def _take(self) -> list[Work]:
        """Take the work of one batch from the queues. The lock is held."""
        if self._jobs and (not self._streams or self._job_is_due()):
            self._streams_since_job = 0
            return [work for work in [self._jobs.popleft()] if work.begin()]
        group: list[Work] = []
        left = BATCH
        waiting = list(self._streams)
        self._streams.clear()
        for work in waiting:
            rows = work.model.rows(work.part, work.conditions)
            if rows > left or (group and group[0].model is not work.model):
                self._streams.append(work)
            elif work.begin():
                group.append(work)
                left -= rows
        if group:
            self._streams_running += 1
            self._streams_since_job += 1
        return group

    def _generate(self, worker: DeviceWorker, group: Sequence[Work]) -> None:
        worker.busy_since = time.monotonic()
        try:
            run_work(group, worker)
        except DeviceFailedError as failed:
            self._lose(worker, failed)
        finally:
            worker.busy_since = None
            if group[0].drawing is None:
                with self._changed:
                    self._streams_running -= 1

    def _lose(self, worker: DeviceWorker, failed: DeviceFailedError) -> None:
        """Take a device out of use; its work goes to another one, or fails with all that waits."""
        with self._changed:
            worker.lose(failed.problem, failed.probe)
            works = self._devices_work()
            dropped = [work for work in failed.group if work.tried or not works]
            for work in reversed(failed.group):
                if works and not work.tried:
                    work.tried = True
                    (self._streams if work.drawing is None else self._jobs).appendleft(work)
            if not works:
                dropped += [*self._streams, *self._jobs]
                self._streams.clear()
                self._jobs.clear()
            self._count_waiting()
        for work in dropped:
            work.fail(DeviceUnavailableError(failed.problem.text))

    def _count_waiting(self) -> None:
        metrics.QUEUE_LENGTH.labels("stream").set(len(self._streams))
        metrics.QUEUE_LENGTH.labels("job").set(len(self._jobs))

    def _devices_work(self) -> bool:
        return any(worker.failure is None for worker in self._workers)

    def _has_work(self) -> bool:
        return bool(self._streams or self._jobs)

    def _has_streams(self) -> bool:
        return self._streams_running > 0 or bool(self._streams)

    def _job_is_due(self) -> bool:
        return self._streams_since_job >= _STREAMS_BEFORE_A_JOB


def _call(future: Future[_Result], function: Callable[[], _Result]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(function())
    except BaseException as error:
        future.set_exception(error)
        del future  # else the error holds this frame, and this frame the error
