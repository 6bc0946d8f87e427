"""The threads of a service that work on jobs: one makes sets, one cleans up after cancelled jobs."""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

from endotwin.generator.batch import BatchMaker
from endotwin.sets.manifest import SetError
from endotwin.sets.storage.destination import Destination, StorageError
from endotwin.sets.storage.open_destination import open_destination
from endotwin.sets.storage.place import PlaceError, check_allowed
from endotwin.settings import Settings
from service import metrics
from service.device_queue import DeviceQueue
from service.jobs.job import Counts, Job, State
from service.jobs.job_set import (
    TurnOverError,
    earlier_set,
    finish_earlier,
    make_job_set,
    remove_written,
    with_shard_size_there,
)
from service.jobs.lease import Lease, StopError
from service.jobs.progress import JobProgress, redact
from service.jobs.store import JobStore
from service.models import Model, Models

logger = logging.getLogger("endotwin")

_POLL_SECONDS = 1.0
"""Between two looks for jobs of other services that were given back, or whose lease has run out."""

_TURN_SECONDS = 60.0
"""How long a job goes on while another owner waits; its turn then ends with the shards that were begun."""

_PAUSE_AFTER_ERROR_SECONDS = 10.0
_END_SECONDS = 2.0
"""How long a stop waits for the threads: a batch, or a request to storage, comes to its end."""

_EXPECTED = (PlaceError, SetError, StorageError)


_StopIfAsked = Callable[[], None]
_Work = Callable[[Job, str, JobProgress, _StopIfAsked], None]
"""Work on a job under a lease: the job, the token, its progress, and what raises `StopError`."""


class JobRunner:
    """Work on jobs of a store one after the other, the owners in turn, until it is closed."""

    def __init__(
        self, store: JobStore, models: Models, device: DeviceQueue, device_name: str, settings: Settings
    ) -> None:
        """Start the threads.

        Args:
            store: that the jobs are in.
            models: of this service; jobs of other checkpoints are left to other services.
            device: generates.
            device_name: what it runs on.
            settings: of the operator.
        """
        self.store = store
        self.offer(models)
        self._device = device
        self._device_name = device_name
        self._settings = settings
        self._stopping = threading.Event()
        self._wake = threading.Condition()
        self._held: set[tuple[str, str]] = set()
        for state in (State.COMPLETE, State.FAILED, State.CANCELLED, State.CANCEL_FAILED):
            metrics.JOBS_ENDED.labels(state.value)  # a rate needs the zero before the first
        self._threads = [
            threading.Thread(target=self._loop, args=(step,), name=name, daemon=True)
            for name, step in (("jobs", self._make_next), ("cancelled jobs", self._cancel_next))
        ]
        for thread in self._threads:
            thread.start()

    def offer(self, models: Models) -> None:
        """Work on jobs of these models from now on; a job that is worked on goes on with the one it has."""
        self._models = {model.generator_sha256: model for model in models}

    def wake(self) -> None:
        """Look for work now."""
        with self._wake:
            self._wake.notify_all()

    def close(self) -> None:
        """Stop at the next batch or request; jobs that were being worked on go on at the next start."""
        self._stopping.set()
        self.wake()
        for thread in self._threads:
            thread.join(_END_SECONDS)
        for identity, token in list(self._held):  # its last batch or request goes on
            self.store.release(identity, token)

    def _loop(self, step: Callable[[], bool]) -> None:
        while not self._stopping.is_set():
            try:
                worked = step()
                for state, jobs in self.store.count().items():
                    metrics.JOBS.labels(state.value).set(jobs)
            except Exception:
                if self._stopping.is_set():
                    return
                # The job that was worked on is taken up again when its lease has run out.
                logger.error("jobs: %s", redact(traceback.format_exc()))  # noqa: TRY400
                self._stopping.wait(_PAUSE_AFTER_ERROR_SECONDS)
                continue
            if not worked:
                with self._wake:
                    self._wake.wait(_POLL_SECONDS)

    def _make_next(self) -> bool:
        taken = self.store.take_to_make(list(self._models), self._settings.jobs_lease_seconds)
        if taken is None:
            return False
        self._work(*taken, self._make, good=State.COMPLETE, bad=State.FAILED)
        return True

    def _cancel_next(self) -> bool:
        taken = self.store.take_to_cancel(self._settings.jobs_lease_seconds)
        if taken is None:
            return False
        self._work(*taken, self._cancel, good=State.CANCELLED, bad=State.CANCEL_FAILED)
        return True

    def _work(self, job: Job, token: str, work: _Work, *, good: State, bad: State) -> None:
        """Work on a job that was taken up, and store how that ended."""
        logger.info("job %s: taken up, %s to %s", job.id, job.state.value, job.destination)
        self._held.add((job.id, token))
        try:
            self._work_held(job, token, work, good, bad)
        finally:
            self._held.discard((job.id, token))

    def _work_held(self, job: Job, token: str, work: _Work, good: State, bad: State) -> None:
        progress = JobProgress(job)
        end = good
        lease = Lease(
            self.store,
            job,
            token,
            seconds=self._settings.jobs_lease_seconds,
            stopping=self._stopping,
            counts=progress.counts,
        )
        with lease:
            try:
                work(job, token, progress, lease.check)
            except (StopError, TurnOverError, CancelledError):
                self.store.release(job.id, token)
                logger.info("job %s: given back", job.id)
                return
            except _EXPECTED as error:
                progress.note(str(error))
                end = bad
            except Exception:
                if self._stopping.is_set():  # errors of a stop, such as a closed pool
                    self.store.release(job.id, token)
                    return
                logger.error("job %s: %s", job.id, redact(traceback.format_exc()))  # noqa: TRY400
                progress.note("an error of the service; its log says which")
                end = bad
            counts = progress.counts()
            if end is State.CANCELLED:
                counts = Counts(errors=counts.errors)
            if not self.store.end(job.id, token, job.state, end, counts):
                self.store.release(job.id, token)  # cancelled at the last moment
                return
        metrics.JOBS_ENDED.labels(end.value).inc()
        logger.info("job %s: %s", job.id, end.value)

    def _make(self, job: Job, token: str, progress: JobProgress, stop_if_asked: _StopIfAsked) -> None:
        destination = self._open(job, progress, stop_if_asked)
        if not job.looked:
            job = with_shard_size_there(job, destination)
            self.store.remember(job.id, token, job.spec, earlier_set(job, destination))

        def stop_or_wait() -> None:
            stop_if_asked()
            self._device.wait_for_streams()

        model = self._models.get(job.spec.generator_sha256)
        if model is None:  # gone since the job was taken up
            raise StopError
        began = time.monotonic()

        def turn_is_over() -> bool:
            served = time.monotonic() - began >= _TURN_SECONDS
            return served and self.store.others_wait(job.owner, list(self._models))

        with self._batch_maker(model) as maker:
            make_job_set(job, model.card, maker, destination, progress, stop_or_wait, turn_is_over)

    def _cancel(self, job: Job, token: str, progress: JobProgress, stop_if_asked: _StopIfAsked) -> None:
        destination = self._open(job, progress, stop_if_asked)
        remove_written(job, destination, stop_if_asked)
        if job.earlier_n is None:
            return
        model = self._models.get(job.spec.generator_sha256)
        if model is None:
            progress.note(
                f"the set of {job.earlier_n} images that was there before has no manifest now: this "
                "service lacks the checkpoint to finish it again"
            )
            return
        try:
            with self._batch_maker(model) as maker:
                finish_earlier(job, model.card, maker, destination, progress, stop_if_asked)
        except SetError as error:
            progress.note(
                f"the set of {job.earlier_n} images that was there before is left as it is: {error}"
            )

    @contextmanager
    def _batch_maker(self, model: Model) -> Iterator[BatchMaker]:
        """Yield a model on the device of this service, with a thread that waits for its turn."""
        with ThreadPoolExecutor(1, "batches of a job") as thread:
            yield BatchMaker(partial(self._device.generate_for_job, model), thread, self._device_name)

    def _open(self, job: Job, progress: JobProgress, stop_if_asked: _StopIfAsked) -> Destination:
        # What is allowed may have changed since the job was accepted.
        check_allowed(job.destination, self._settings.storage_allow)
        return open_destination(
            job.destination, self._settings, stop_if_asked=stop_if_asked, note=progress.note
        )
