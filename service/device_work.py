"""The work that waits for a device, and how a device does what shares a batch."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from endotwin.image_range import ImageRange
from service import metrics
from service.error_codes import ErrorCode
from service.errors import ApiError
from service.request_record import RequestRecord, current_record

if TYPE_CHECKING:
    from endotwin.generator.batch import Batch
    from endotwin.generator.device import DeviceProblem
    from endotwin.generator.sampler import Drawing
    from endotwin.mosaic.parameters import Conditions
    from service.device_worker import DeviceWorker
    from service.models import Model

_RETRY_AFTER_SECONDS = 5


class DeviceUnavailableError(ApiError):
    """No device of the service can generate now."""

    def __init__(self, problem: str) -> None:
        super().__init__(
            ErrorCode.NOT_READY,
            f"nothing can be generated now: {problem}; try again in a few seconds",
            headers={"Retry-After": str(_RETRY_AFTER_SECONDS)},
        )


@dataclass(eq=False)
class Work:
    """Images of one aligned batch, and who waits for them.

    Attributes:
        model: makes them.
        part: which images.
        conditions: that they meet.
        drawing: of a job, which draws in a thread of its own; else None.
        future: of the batch.
        begun: whether the future says that it runs: it can no longer be cancelled.
        tried: whether a device has failed on it.
        record: of the request that it is for.
        queued: when it was (`time.perf_counter`).
    """

    model: Model
    part: ImageRange
    conditions: Conditions | None
    drawing: Drawing | None = None
    future: Future[Batch] = field(default_factory=Future)
    begun: bool = False
    tried: bool = False
    record: RequestRecord = field(default_factory=current_record)
    queued: float = field(default_factory=time.perf_counter)

    def begin(self) -> bool:
        """Return whether the work is to be done: whoever waited may have left."""
        self.begun = self.begun or self.future.set_running_or_notify_cancel()
        return self.begun

    def fail(self, error: BaseException) -> None:
        """Raise an error for whoever waits."""
        if self.begin():
            self.future.set_exception(error)


class DeviceFailedError(Exception):
    """The device failed on a group of works; `probe` tries the same again."""

    def __init__(self, problem: DeviceProblem, group: Sequence[Work], probe: Callable[[], object]) -> None:
        super().__init__(problem.text)
        self.problem = problem
        self.group = group
        self.probe = probe


def record_waits(group: Sequence[Work]) -> None:
    """Note how long works have waited that are taken up now."""
    for work in group:
        waited = time.perf_counter() - work.queued
        metrics.QUEUE_SECONDS.labels("stream" if work.drawing is None else "job").observe(waited)
        work.record.add("queue", waited)


def run_work(group: Sequence[Work], worker: DeviceWorker) -> None:
    """Generate the images of works of one model in one batch, and hand them over.

    Raises:
        DeviceFailedError: nothing is handed over.
    """
    from endotwin.generator.device import device_problem  # noqa: PLC0415

    model = group[0].model
    sampler = model.samplers[worker.index]
    began = time.perf_counter()
    alone = False

    def make() -> list[Batch]:
        drawings = [work.drawing or sampler.draw(work.part, work.conditions) for work in group]
        return sampler.render(drawings)

    try:
        batches = make()
    except Exception as error:
        problem = device_problem(error)
        if problem is not None:
            raise DeviceFailedError(problem, group, make) from error
        if len(group) == 1:
            group[0].fail(error)
            del group, make  # else the error holds this frame, and this frame the error
            return
        alone = True
    except BaseException as error:  # ends the thread
        for work in group:
            work.fail(error)
        raise
    if alone:
        _run_each(group, worker)
        return
    taken = time.perf_counter() - began
    metrics.DEVICE_SECONDS.labels(model.name).observe(taken)
    metrics.DEVICE_IMAGES.labels(model.name).inc(sum(work.part.count for work in group))
    for work, batch in zip(group, batches, strict=True):
        work.record.add("device", taken)
        work.future.set_result(batch)


def _run_each(group: Sequence[Work], worker: DeviceWorker) -> None:
    """Do `run_work` for one work after the other: the one that fails does not fail the others."""
    for at, work in enumerate(group):
        try:
            run_work([work], worker)
        except DeviceFailedError as failed:
            raise DeviceFailedError(failed.problem, group[at:], failed.probe) from failed
