"""The lease of a job: renewed while a service works on it, and lost when it has to stop."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from service.jobs.job import Counts, Job
from service.jobs.store import JobStore

logger = logging.getLogger("endotwin")

_LONGEST_PAUSE_SECONDS = 2.0
"""Between two renewals, each of which also sees whether the job was cancelled."""

_SAFE_SHARE = 0.75
"""Of a lease: without a renewal for longer, its holder stops before others may take the job over."""


class StopError(BaseException):
    """The work on a job has to stop: the service stops, the job is cancelled, or another service has it.

    Not an `Exception`, so that nothing that handles failures of the work catches it.
    """


class Lease:
    """Renew the lease of a job while the block runs, from a thread of its own."""

    def __init__(
        self,
        store: JobStore,
        job: Job,
        token: str,
        *,
        seconds: float,
        stopping: threading.Event,
        counts: Callable[[], Counts | None],
    ) -> None:
        """Prepare for a job that was just taken up.

        Args:
            store: that it was taken from.
            job: as it was then.
            token: of the lease.
            seconds: for which each renewal holds.
            stopping: is set when the service stops.
            counts: returns how far the job is; None before that is known.
        """
        self._store = store
        self._job = job
        self._token = token
        self._seconds = seconds
        self._stopping = stopping
        self._counts = counts
        self._over = threading.Event()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)

    def check(self) -> None:
        """Return if the work may go on.

        Raises:
            StopError: it may not.
        """
        if self._over.is_set() or self._stopping.is_set():
            raise StopError

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop renewing; the store ends the lease itself with the job, or releases it."""
        self._done.set()
        self._thread.join()

    def _renew(self) -> None:
        renewed = time.monotonic()
        while not self._done.wait(min(self._seconds / 4, _LONGEST_PAUSE_SECONDS)):
            began = time.monotonic()
            try:
                state = self._store.keep(self._job.id, self._token, self._seconds, self._counts())
            except Exception as error:
                logger.warning("job %s: its lease could not be renewed: %s", self._job.id, error)
                if time.monotonic() - renewed > _SAFE_SHARE * self._seconds:
                    self._over.set()
                continue
            renewed = began
            if state is not self._job.state:
                self._over.set()
