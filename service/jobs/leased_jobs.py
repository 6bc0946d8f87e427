"""What a service does with jobs, under a lease.

A lease is a token that no other service has, and a time up to which the job is its own. All times are the
machine's clock (`time.time`), which all services that can open the file have in common.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from uuid import uuid4

from endotwin.sets.spec import SetSpec
from service.jobs.database import JobDatabase
from service.jobs.job import WAITING, Counts, Job, JobError, State, read_job, write_counts

logger = logging.getLogger("endotwin")


class LeasedJobs:
    """The jobs of a file that services take up. Usable from several threads and processes at once."""

    def __init__(self, path: Path) -> None:
        """Open the file, or make it.

        Raises:
            SettingsError: it cannot be used.
        """
        self._database = JobDatabase(path)
        self._run = self._database.run
        self._transaction = self._database.transaction

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def take_to_make(self, checkpoints: Sequence[str], lease_seconds: float) -> tuple[Job, str] | None:
        """Take up a job that no service works on, of checkpoints with these sha256.

        It is the oldest of the owner who has waited longest since a job of theirs was last taken up.

        Returns:
            the job, now running, and the token of its lease; None if there is nothing to do.
        """
        return self._take(_to_make(checkpoints), checkpoints, State.RUNNING, lease_seconds)

    def others_wait(self, owner: str, checkpoints: Sequence[str]) -> bool:
        """Return whether there is something to take up that is of another owner."""
        rows = self._run(
            f"SELECT 1 FROM jobs WHERE {_to_make(checkpoints)} AND CAST(lease_until AS REAL) < ? "
            "AND owner != ? LIMIT 1",
            *checkpoints,
            time.time(),
            owner,
        )
        return bool(rows)

    def take_to_cancel(self, lease_seconds: float) -> tuple[Job, str] | None:
        """Take up a cancelled job that is still to be cleaned up after; as `take_to_make`."""
        return self._take("state = ?", [State.CANCELLING], State.CANCELLING, lease_seconds)

    def keep(self, identity: str, token: str, lease_seconds: float, counts: Counts | None) -> State | None:
        """Renew a lease, and store how far the job is.

        Returns:
            the job's state; None if the lease is lost.
        """
        with self._transaction():
            if counts is not None:
                self._run(
                    "UPDATE jobs SET counts = ? WHERE id = ? AND lease = ?",
                    write_counts(counts),
                    identity,
                    token,
                )
            rows = self._run(
                "UPDATE jobs SET lease_until = ? WHERE id = ? AND lease = ? RETURNING state",
                time.time() + lease_seconds,
                identity,
                token,
            )
            return State(rows[0]["state"]) if rows else None

    def remember(self, identity: str, token: str, spec: SetSpec, earlier_n: int | None) -> None:
        """Store the set as it is after a look at its destination, and what was there before the job.

        Args:
            identity: of the job.
            token: of its lease.
            spec: the set.
            earlier_n: images of the finished set that was there; None if none was.
        """
        self._run(
            "UPDATE jobs SET looked = 1, spec = ?, earlier_n = ? WHERE id = ? AND lease = ?",
            spec.model_dump_json(exclude_none=True),
            earlier_n,
            identity,
            token,
        )

    def release(self, identity: str, token: str) -> None:
        """Release the lease of a job that is not done: the next service that takes it goes on with it."""
        self._run(
            "UPDATE jobs SET lease = NULL, lease_until = 0, "
            "state = CASE WHEN state = ? THEN ? ELSE state END WHERE id = ? AND lease = ?",
            State.RUNNING,
            State.QUEUED,
            identity,
            token,
        )

    def end(self, identity: str, token: str, before: State, after: State, counts: Counts) -> bool:
        """End a job, if it is still in the state `before` and the lease is not lost.

        Returns:
            whether it is.
        """
        rows = self._run(
            "UPDATE jobs SET state = ?, counts = ?, finished = ?, lease = NULL, lease_until = 0 "
            "WHERE id = ? AND lease = ? AND state = ? RETURNING id",
            after,
            write_counts(counts),
            time.time(),
            identity,
            token,
            before,
        )
        return bool(rows)

    def _take(
        self, condition: str, values: Iterable[str], state: State, lease_seconds: float
    ) -> tuple[Job, str] | None:
        while True:
            now, token = time.time(), uuid4().hex
            rows = self._run(
                "UPDATE jobs SET state = ?, lease = ?, lease_until = ?, taken = ?, "
                "started = coalesce(started, ?) WHERE number = "
                f"(SELECT number FROM jobs AS waiting WHERE {condition} AND CAST(lease_until AS REAL) < ? "
                "ORDER BY (SELECT max(taken) FROM jobs WHERE owner = waiting.owner), number LIMIT 1) "
                "RETURNING *",
                state,
                token,
                now + lease_seconds,
                now,
                now,
                *values,
                now,
            )
            if not rows:
                return None
            job = read_job(rows[0])
            if isinstance(job, Job):
                return job, token
            logger.error("job %s: %s", job.id, job.why)
            self.end(job.id, token, state, State.FAILED, Counts(errors=(JobError(now, job.why),)))


def list_states(states: Iterable[State]) -> str:
    """Return states as SQL lists them."""
    return "(" + ", ".join(f"'{state.value}'" for state in states) + ")"


def _to_make(checkpoints: Sequence[str]) -> str:
    """Return the condition, with a value for each checkpoint."""
    return f"state IN {list_states(WAITING)} AND generator_sha256 IN ({', '.join('?' * len(checkpoints))})"
