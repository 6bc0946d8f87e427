"""The store of jobs: safe after every answer that a client got.

Several services of one machine may share it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from uuid import uuid4

from endotwin.sets.spec import SetSpec
from endotwin.sets.storage.place import Bucket
from service.jobs.job import (
    ENDED,
    ERRORS_KEPT,
    OPEN,
    STUCK,
    WAITING,
    Counts,
    Job,
    JobError,
    State,
    StoredJob,
    UnreadableJob,
    read_job,
    write_counts,
)
from service.jobs.leased_jobs import LeasedJobs, list_states

_ENDED_KEPT = 1000
"""Jobs of an owner that have ended or failed and can still be looked up; older ones are removed."""


class KeyReusedError(Exception):
    """An idempotency key that came with another request before."""


class TooManyJobsError(Exception):
    """As many jobs of one owner wait or run as the operator allows.

    Attributes:
        seconds: until one of them may be done; None where that is not known.
    """

    def __init__(self, seconds: float | None) -> None:
        super().__init__()
        self.seconds = seconds


class OccupiedError(Exception):
    """Another open job writes to the destination, above it or below it.

    Attributes:
        job: that one.
    """

    def __init__(self, job: StoredJob) -> None:
        super().__init__(job.id)
        self.job = job


class JobStore(LeasedJobs):
    """The jobs of a file. Usable from several threads and processes at once.

    A job that cannot be read is an `UnreadableJob` here, and stops no other.
    """

    def add(
        self,
        destination: Bucket,
        spec: SetSpec,
        *,
        key: str | None,
        request_sha256: str,
        max_open: int,
        any_shard_size: bool = False,
        owner: str = "",
        accept: Callable[[], object] | None = None,
    ) -> StoredJob:
        """Add a job, unless it is there already under its key.

        Jobs of others that failed and have the destination are abandoned.

        Args:
            destination: where the set goes.
            spec: the set.
            key: the client's idempotency key.
            request_sha256: digest of the request, which has to be the same under the same key.
            max_open: most jobs of the owner that may wait or run.
            any_shard_size: see `Job`.
            owner: of the job.
            accept: called once all else is checked, and only for a new job; what it raises refuses the job.

        Raises:
            KeyReusedError: the key came with another request.
            OccupiedError: another open job has the destination, a part of it or more.
            TooManyJobsError: as many wait or run as may.
        """
        with self._transaction():
            known = self.find(key, request_sha256, owner)
            if known is not None:
                return known
            failed = self._claim(destination, owner)
            self._check_open(owner, max_open)
            if accept is not None:
                accept()
            identity = uuid4().hex
            self._run(
                "INSERT INTO jobs (id, owner, state, destination, spec, any_shard_size, generator_sha256, "
                "request_key, request_sha256, created, counts) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                identity,
                owner,
                State.QUEUED,
                str(destination),
                spec.model_dump_json(exclude_none=True),
                any_shard_size,
                spec.generator_sha256,
                key,
                request_sha256,
                time.time(),
                write_counts(Counts()),
            )
            for job in failed:
                self._abandon(job, "another job has its destination now")
            over = f"owner = ? AND state IN {list_states((*ENDED, *STUCK))}"
            self._run(
                f"DELETE FROM jobs WHERE {over} AND number NOT IN "
                f"(SELECT number FROM jobs WHERE {over} ORDER BY finished DESC LIMIT {_ENDED_KEPT})",
                owner,
                owner,
            )
            [row] = self._run("SELECT * FROM jobs WHERE id = ?", identity)
            return read_job(row)

    def find(self, key: str | None, request_sha256: str, owner: str = "") -> StoredJob | None:
        """Return the job of an owner's idempotency key; None without one.

        Raises:
            KeyReusedError: the key came with another request.
        """
        if key is None:
            return None
        for row in self._run("SELECT * FROM jobs WHERE request_key = ? AND owner = ?", key, owner):
            if row["request_sha256"] != request_sha256:
                raise KeyReusedError
            return read_job(row)
        return None

    def get(self, identity: str) -> StoredJob | None:
        """Return a job, or None if there is none of that id."""
        return next(map(read_job, self._run("SELECT * FROM jobs WHERE id = ?", identity)), None)

    def newest(self, limit: int, before: str | None, owner: str | None = None) -> list[StoredJob]:
        """Return jobs, the newest first.

        Args:
            limit: most jobs.
            before: only those that are older than this one; None for all.
            owner: only those of one; None for all.
        """
        rows = self._run(
            "SELECT * FROM jobs WHERE (?1 IS NULL OR number < (SELECT number FROM jobs WHERE id = ?1)) "
            "AND (?2 IS NULL OR owner = ?2) ORDER BY number DESC LIMIT ?3",
            before,
            owner,
            limit,
        )
        return [read_job(row) for row in rows]

    def count(self) -> dict[State, int]:
        """Return how many jobs there are in every state; one that is in no known state has failed."""
        counted = dict.fromkeys(State, 0)
        for row in self._run("SELECT state, count(*) AS jobs FROM jobs GROUP BY state"):
            counted[row["state"] if row["state"] in counted else State.FAILED] += row["jobs"]
        return counted

    def cancel(self, identity: str) -> StoredJob | None:
        """Cancel a job; one that has ended stays as it is. None: no such job.

        A job that cannot be read is removed, and returned as it was.
        """
        with self._transaction():
            job = self.get(identity)
            if isinstance(job, UnreadableJob):
                self._run("DELETE FROM jobs WHERE id = ?", identity)
                return job
            self._run(
                "UPDATE jobs SET state = ?, finished = ? WHERE id = ? AND state = ? AND started IS NULL",
                State.CANCELLED,
                time.time(),
                identity,
                State.QUEUED,
            )
            self._run(
                f"UPDATE jobs SET state = ?, finished = NULL WHERE id = ? AND state IN {list_states(OPEN)}",
                State.CANCELLING,
                identity,
            )
            return self.get(identity)

    def resume(self, identity: str, max_open: int) -> StoredJob | None:
        """Queue a job that failed; another stays as it is. None: no such job.

        Raises:
            TooManyJobsError: as many of its owner wait or run as may.
        """
        with self._transaction():
            job = self.get(identity)
            if not isinstance(job, Job) or job.state is not State.FAILED:
                return job
            self._check_open(job.owner, max_open)
            self._run("UPDATE jobs SET state = ?, finished = NULL WHERE id = ?", State.QUEUED, identity)
            return self.get(identity)

    def abandon(self, identity: str) -> StoredJob | None:
        """Give up a job that failed, or could not be cleaned up after; another stays as it is.

        The storage is not asked: what the job has written stays. None: no such job.
        """
        with self._transaction():
            job = self.get(identity)
            if not isinstance(job, Job) or job.state not in STUCK:
                return job
            self._abandon(job, "its owner gave it up")
            return self.get(identity)

    def _claim(self, destination: Bucket, owner: str) -> list[Job]:
        """Return the failed jobs of others that have a part of a destination.

        Raises:
            OccupiedError: another job has it.
        """
        failed = []
        for row in self._run(f"SELECT * FROM jobs WHERE state IN {list_states(OPEN)}"):
            job = read_job(row)
            if job.destination is None or not _overlap(destination, job.destination):
                continue
            if not isinstance(job, Job) or job.state not in STUCK or job.owner == owner:
                raise OccupiedError(job)
            failed.append(job)
        return failed

    def _check_open(self, owner: str, max_open: int) -> None:
        """Check that one more job of an owner may wait.

        Raises:
            TooManyJobsError: as many do as may.
        """
        rows = self._run(f"SELECT * FROM jobs WHERE state IN {list_states(WAITING)} AND owner = ?", owner)
        if len(rows) >= max_open:
            jobs = [job for row in rows if isinstance(job := read_job(row), Job)]
            seconds = [job.counts.seconds_left for job in jobs if job.counts.seconds_left is not None]
            raise TooManyJobsError(min(seconds, default=None))

    def _abandon(self, job: Job, why: str) -> None:
        now = time.time()
        message = f"{why}: what it has written stays where it is"
        errors = (*job.counts.errors, JobError(now, message))[-ERRORS_KEPT:]
        self._run(
            "UPDATE jobs SET state = ?, finished = ?, counts = ? WHERE id = ?",
            State.ABANDONED,
            now,
            write_counts(replace(job.counts, errors=errors)),
            job.id,
        )


def _overlap(one: Bucket, other: Bucket) -> bool:
    """Return whether one place is the other or lies below it."""
    first, second = f"{one.name}/{one.prefix}/", f"{other.name}/{other.prefix}/"
    return first.startswith(second) or second.startswith(first)
