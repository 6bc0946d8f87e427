"""How far a running job is, and its errors without what clients must not see."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections import deque

from endotwin.quoting import hide_secrets
from endotwin.sets.plan import Shard
from endotwin.sets.storage.record import ShardRecord
from service import metrics
from service.jobs.job import ERRORS_KEPT, Counts, Job, JobError

logger = logging.getLogger("endotwin")

_ADDRESS = re.compile(r"https?://[^/\s\"']+")


class JobProgress:
    """See `endotwin.sets.make.SetProgress`. `counts` may be called from other threads."""

    def __init__(self, job: Job) -> None:
        """Begin where the job was left."""
        self._job = job
        self._labels = (job.spec.model, job.spec.format)
        self._lock = threading.Lock()
        self._errors = deque(job.counts.errors, maxlen=ERRORS_KEPT)
        self._shards = self._images = self._found = self._generated = 0
        self._reported = False
        self._began = time.monotonic()

    def found(self, shard: Shard) -> None:
        """Count a shard that is there already."""
        with self._lock:
            self._start()
            self._shards += 1
            self._images += shard.samples
            self._found += shard.samples

    def generated(self, images: int) -> None:
        """Count images."""
        metrics.JOB_IMAGES.labels(*self._labels).inc(images)
        with self._lock:
            self._start()
            self._generated += images

    def made(self, shard: Shard, record: ShardRecord) -> None:
        """Count a shard that is in place."""
        metrics.JOB_SHARDS.labels(*self._labels).inc()
        with self._lock:
            self._shards += 1
            self._images += record.samples

    def note(self, text: str) -> None:
        """Keep something that went wrong for the next `counts`, and log it."""
        text = redact(text)
        logger.warning("job %s: %s", self._job.id, text)
        with self._lock:
            self._errors.append(JobError(time.time(), text))

    def counts(self) -> Counts:
        """Return how far the job is: until all its shards were looked at, as far as it was before."""
        with self._lock:
            errors = tuple(self._errors)
            if not self._reported:
                before = self._job.counts
                return Counts(before.shards, before.images, errors=errors)
            rate = self._generated / (time.monotonic() - self._began) if self._generated else None
            missing = max(self._job.spec.n - self._found - self._generated, 0)
            left = missing / rate if rate else None
            return Counts(self._shards, self._images, rate, left, errors)

    def _start(self) -> None:
        """Start the clock of the rate at the first report: looking at what is there takes time."""
        if not self._reported:
            self._reported, self._began = True, time.monotonic()


def redact(text: str) -> str:
    """Return a message without credentials of the environment and without the address of the storage."""
    return hide_secrets(_ADDRESS.sub("https://…", text))
