"""The threads of a service that work on jobs: one makes sets, one cleans up after cancelled ones."""

from __future__ import annotations

import logging
import sqlite3
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import CancelledError
from contextlib import AbstractContextManager

from endotwin.sets.manifest import SetError
from endotwin.sets.storage.destination import Destination, StorageError
from endotwin.sets.storage.open_destination import open_destination
from endotwin.sets.storage.place import Bucket, PlaceError, check_allowed, parse_bucket
from endotwin.settings import Settings
from service import metrics
from service.device_queue import DeviceThread
from service.jobs.job import Counts, Job, State
from service.jobs.lease import Lease, StopError
from service.jobs.progress import Progress
from service.jobs.redaction import redact
from service.jobs.store import JobStore
from service.jobs.work import Studio, earlier_set, finish_earlier, make, open_studio, take_back
from service.models import Model, Models

logger = logging.getLogger("endotwin")

_LOOK_SECONDS = 1.0
"""Between two looks for jobs of other services, or of ones that died."""

_PAUSE_AFTER_ERROR_SECONDS = 10.0
_END_SECONDS = 2.0
"""How long a stop waits for the threads: a batch, or a request to storage, comes to its end."""

_EXPECTED = (PlaceError, SetError, StorageError)


_Work = Callable[[Job, str, Progress, Callable[[], None]], None]
"""What is done for a job under a lease: the job, the token, who is told, and what asks whether to stop."""


class JobWorker:
    """Takes up jobs of a store one after the other, until it is closed."""

    def __init__(
        self, store: JobStore, models: Models, device: DeviceThread, device_name: str, settings: Settings
    ) -> None:
        """Start the threads.

        Args:
            store: that the jobs are in.
            models: of this service; jobs of other checkpoints are left to other services.
            device: the thread that generates.
            device_name: what it runs on.
            settings: of the operator.
        """
        self.store = store
        self._models = {model.sha256: model for model in models}
        self._device = device
        self._device_name = device_name
        self._settings = settings
        self._stopping = threading.Event()
        self._news = threading.Condition()
        self._held: set[tuple[str, str]] = set()
        self._threads = [
            threading.Thread(target=self._loop, args=(step,), name=name, daemon=True)
            for name, step in (("jobs", self._make_next), ("cancelled jobs", self._cancel_next))
        ]
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        """Look for something to do now."""
        with self._news:
            self._news.notify_all()

    def close(self) -> None:
        """Stop at the next batch or request; jobs that were being worked on go on at the next start."""
        self._stopping.set()
        self.wake()
        for thread in self._threads:
            thread.join(_END_SECONDS)
        for identity, token in list(self._held):  # it is still within a batch or a request, its last one
            self.store.release(identity, token)

    def _loop(self, step: Callable[[], bool]) -> None:
        while not self._stopping.is_set():
            try:
                worked = step()
                for state, jobs in self.store.count().items():
                    metrics.JOBS.labels(state.value).set(jobs)
            except sqlite3.Error:
                logger.exception("the file of jobs cannot be used")
                self._stopping.wait(_PAUSE_AFTER_ERROR_SECONDS)
                continue
            if not worked:
                with self._news:
                    self._news.wait(_LOOK_SECONDS)

    def _make_next(self) -> bool:
        taken = self.store.take_to_make(list(self._models), self._settings.jobs_lease_seconds)
        if taken is None:
            return False
        self._work(*taken, self._make, State.COMPLETE)
        return True

    def _cancel_next(self) -> bool:
        taken = self.store.take_to_cancel(self._settings.jobs_lease_seconds)
        if taken is None:
            return False
        self._work(*taken, self._cancel, State.CANCELLED)
        return True

    def _work(self, job: Job, token: str, work: _Work, good: State) -> None:
        """Work on a job that was taken up, and note how that ended."""
        logger.info("job %s: taken up, %s to %s", job.id, job.state.value, job.destination)
        self._held.add((job.id, token))
        try:
            self._work_held(job, token, work, good)
        finally:
            self._held.discard((job.id, token))

    def _work_held(self, job: Job, token: str, work: _Work, good: State) -> None:
        progress = Progress(job)
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
            except (StopError, CancelledError):
                self.store.release(job.id, token)
                logger.info("job %s: given back", job.id)
                return
            except _EXPECTED as error:
                progress.note(str(error))
                end = State.FAILED
            except Exception:
                if self._stopping.is_set():  # what the threads of a service that stops run into
                    self.store.release(job.id, token)
                    return
                logger.error("job %s: %s", job.id, redact(traceback.format_exc()))  # noqa: TRY400
                progress.note("an error of the service; its log says which")
                end = State.FAILED
            counts = progress.counts()
            if end is State.CANCELLED:
                counts = Counts(errors=counts.errors)
            if not self.store.end(job.id, token, job.state, end, counts):
                self.store.release(job.id, token)  # cancelled at the last moment
                return
        metrics.JOBS_ENDED.labels(end.value).inc()
        logger.info("job %s: %s", job.id, end.value)

    def _make(self, job: Job, token: str, progress: Progress, stop_if_asked: Callable[[], None]) -> None:
        destination = self._open(job, progress, stop_if_asked)
        if not job.looked:
            self.store.remember(job.id, token, earlier_set(job, destination))

        def stop_or_give_way() -> None:
            stop_if_asked()
            self._device.give_way()

        with self._studio(self._models[job.spec.checkpoint_sha256]) as studio:
            make(job, studio, destination, progress, stop_or_give_way)

    def _cancel(self, job: Job, token: str, progress: Progress, stop_if_asked: Callable[[], None]) -> None:
        destination = self._open(job, progress, stop_if_asked)
        take_back(job, destination, stop_if_asked)
        if job.earlier_n is None:
            return
        model = self._models.get(job.spec.checkpoint_sha256)
        if model is None:
            progress.note(
                f"the set of {job.earlier_n} images that was there before has no manifest now: this "
                "service lacks the checkpoint to finish it again"
            )
            return
        try:
            with self._studio(model) as studio:
                finish_earlier(job, studio, destination, progress, stop_if_asked)
        except SetError as error:
            progress.note(
                f"the set of {job.earlier_n} images that was there before is left as it is: {error}"
            )

    def _studio(self, model: Model) -> AbstractContextManager[Studio]:
        return open_studio(model, self._device, self._device_name)

    def _open(self, job: Job, progress: Progress, stop_if_asked: Callable[[], None]) -> Destination:
        place: Bucket = parse_bucket(job.destination.removeprefix("s3://"))
        check_allowed(place, self._settings.storage_allow)  # it may have changed since the job was accepted
        return open_destination(place, self._settings, stop_if_asked=stop_if_asked, note=progress.note)
