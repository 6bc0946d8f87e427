"""The file that jobs are kept in: SQLite, safe after every answer that a client got.

Several services of one machine may share it. What a service does with a job it does under a lease: a token
that nobody else has, and a time up to which the job is its own. All times are the machine's clock
(`time.time`), which all services that can open the file have in common.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any
from uuid import uuid4

from endotwin.sets.spec import SetSpec
from endotwin.sets.storage.place import Bucket, parse_bucket
from endotwin.settings import SettingsError, variable
from service.jobs.job import ENDED, OPEN, Counts, Job, Problem, State

_VERSION = 1
_TABLE = """
CREATE TABLE jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL,
    destination TEXT NOT NULL,
    spec TEXT NOT NULL,
    checkpoint_sha256 TEXT NOT NULL,
    request_key TEXT UNIQUE,
    request_sha256 TEXT NOT NULL,
    created REAL NOT NULL,
    started REAL,
    finished REAL,
    counts TEXT NOT NULL,
    looked INTEGER NOT NULL DEFAULT 0,
    earlier_n INTEGER,
    lease TEXT,
    lease_until REAL NOT NULL DEFAULT 0
)
"""
_BUSY_SECONDS = 30.0
_ENDED_KEPT = 1000
"""Jobs that have ended and are still told about; older ones are forgotten."""


class KeyReusedError(Exception):
    """An idempotency key that came with another request before."""


class TooManyJobsError(Exception):
    """As many jobs are open as the operator allows."""


class OccupiedError(Exception):
    """Another job has to do with the destination.

    Attributes:
        job: that one.
    """

    def __init__(self, job: Job) -> None:
        super().__init__(job.id)
        self.job = job


class JobStore:
    """The jobs of a file. Usable from several threads and processes at once."""

    def __init__(self, path: Path) -> None:
        """Open the file, or make it.

        Raises:
            SettingsError: it cannot be used.
        """
        self._lock = threading.RLock()
        try:
            self._connection = sqlite3.connect(
                path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            self._connection.row_factory = sqlite3.Row
            self._prepare()
        except sqlite3.Error as error:
            raise SettingsError(
                f"{variable('jobs_store')}: {path} cannot be used as the file of jobs: {error}; name a "
                "file in a folder that the service can write to"
            ) from error

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def add(
        self,
        destination: Bucket,
        spec: SetSpec,
        *,
        key: str | None,
        request_sha256: str,
        max_open: int,
    ) -> Job:
        """Add a job, unless it is there already under its key.

        Args:
            destination: where the set goes.
            spec: the set.
            key: the client's idempotency key.
            request_sha256: digest of the request, which has to be the same under the same key.
            max_open: most jobs that may be open.

        Raises:
            KeyReusedError: the key came with another request.
            OccupiedError: another open job has the destination, a part of it or more.
            TooManyJobsError: as many are open as may be.
        """
        with self._transaction() as run:
            known = self.find(key, request_sha256)
            if known is not None:
                return known
            open_jobs = [_job(row) for row in run(f"SELECT * FROM jobs WHERE state IN {_list(OPEN)}")]
            for job in open_jobs:
                if _overlap(destination, parse_bucket(job.destination.removeprefix("s3://"))):
                    raise OccupiedError(job)
            if len(open_jobs) >= max_open:
                raise TooManyJobsError
            identity = uuid4().hex
            run(
                "INSERT INTO jobs (id, state, destination, spec, checkpoint_sha256, request_key, "
                "request_sha256, created, counts) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                identity,
                State.QUEUED,
                str(destination),
                spec.model_dump_json(exclude_none=True),
                spec.checkpoint_sha256,
                key,
                request_sha256,
                time.time(),
                _write_counts(Counts()),
            )
            run(
                f"DELETE FROM jobs WHERE state IN {_list(ENDED)} AND number NOT IN "
                f"(SELECT number FROM jobs WHERE state IN {_list(ENDED)} "
                f"ORDER BY finished DESC LIMIT {_ENDED_KEPT})"
            )
            [row] = run("SELECT * FROM jobs WHERE id = ?", identity)
            return _job(row)

    def find(self, key: str | None, request_sha256: str) -> Job | None:
        """Return the job of an idempotency key; None without one.

        Raises:
            KeyReusedError: the key came with another request.
        """
        if key is None:
            return None
        for row in self._run("SELECT * FROM jobs WHERE request_key = ?", key):
            if row["request_sha256"] != request_sha256:
                raise KeyReusedError
            return _job(row)
        return None

    def get(self, identity: str) -> Job | None:
        """Return a job, or None if there is none of that id."""
        return next(map(_job, self._run("SELECT * FROM jobs WHERE id = ?", identity)), None)

    def newest(self, limit: int, before: str | None) -> list[Job]:
        """Return jobs, the newest first: of all, or of those that are older than `before`."""
        older = "WHERE number < (SELECT number FROM jobs WHERE id = ?)" if before else ""
        values = [before, limit] if before else [limit]
        return [
            _job(row)
            for row in self._run(f"SELECT * FROM jobs {older} ORDER BY number DESC LIMIT ?", *values)
        ]

    def count(self) -> dict[State, int]:
        """Return how many jobs there are in every state."""
        found = {
            row["state"]: row["jobs"]
            for row in self._run("SELECT state, count(*) AS jobs FROM jobs GROUP BY state")
        }
        return {state: found.get(state, 0) for state in State}

    def cancel(self, identity: str) -> Job | None:
        """Note that a job is not wanted any more; what has ended stays as it is. None: no such job."""
        with self._transaction() as run:
            run(
                "UPDATE jobs SET state = ?, finished = ? WHERE id = ? AND state = ? AND started IS NULL",
                State.CANCELLED,
                time.time(),
                identity,
                State.QUEUED,
            )
            run(
                f"UPDATE jobs SET state = ?, finished = NULL WHERE id = ? AND state IN {_list(OPEN)}",
                State.CANCELLING,
                identity,
            )
            return self.get(identity)

    def resume(self, identity: str) -> Job | None:
        """Queue a job that failed; another stays as it is. None: no such job."""
        with self._transaction() as run:
            run(
                "UPDATE jobs SET state = ?, finished = NULL WHERE id = ? AND state = ?",
                State.QUEUED,
                identity,
                State.FAILED,
            )
            return self.get(identity)

    def take_to_make(self, checkpoints: Sequence[str], lease_seconds: float) -> tuple[Job, str] | None:
        """Take up the oldest job that nobody works on, of checkpoints with these sha256.

        Returns:
            the job, now running, and the token of its lease; None if there is nothing to do.
        """
        waiting = _list((State.QUEUED, State.RUNNING))
        chosen = f"state IN {waiting} AND checkpoint_sha256 IN ({', '.join('?' * len(checkpoints))})"
        return self._take(chosen, checkpoints, State.RUNNING, lease_seconds)

    def take_to_cancel(self, lease_seconds: float) -> tuple[Job, str] | None:
        """Take up the oldest cancelled job that is still to be cleaned up after; as `take_to_make`."""
        return self._take("state = ?", [State.CANCELLING], State.CANCELLING, lease_seconds)

    def keep(self, identity: str, token: str, lease_seconds: float, counts: Counts | None) -> State | None:
        """Renew a lease, and note how far the job is.

        Returns:
            the job's state; None if the lease is lost.
        """
        with self._transaction() as run:
            if counts is not None:
                run(
                    "UPDATE jobs SET counts = ? WHERE id = ? AND lease = ?",
                    _write_counts(counts),
                    identity,
                    token,
                )
            rows = run(
                "UPDATE jobs SET lease_until = ? WHERE id = ? AND lease = ? RETURNING state",
                time.time() + lease_seconds,
                identity,
                token,
            )
            return State(rows[0]["state"]) if rows else None

    def remember(self, identity: str, token: str, earlier_n: int | None) -> None:
        """Note how many images the finished set has that was there before the job."""
        self._run(
            "UPDATE jobs SET looked = 1, earlier_n = ? WHERE id = ? AND lease = ?",
            earlier_n,
            identity,
            token,
        )

    def release(self, identity: str, token: str) -> None:
        """Give a job back that is not done: whoever is next goes on with it."""
        self._run(
            "UPDATE jobs SET lease = NULL, lease_until = 0, "
            "state = CASE WHEN state = ? THEN ? ELSE state END WHERE id = ? AND lease = ?",
            State.RUNNING,
            State.QUEUED,
            identity,
            token,
        )

    def end(self, identity: str, token: str, before: State, after: State, counts: Counts) -> bool:
        """Bring a job to its end, if it is still in the state `before` and the lease is not lost.

        Returns:
            whether it is.
        """
        rows = self._run(
            "UPDATE jobs SET state = ?, counts = ?, finished = ?, lease = NULL, lease_until = 0 "
            "WHERE id = ? AND lease = ? AND state = ? RETURNING id",
            after,
            _write_counts(counts),
            time.time(),
            identity,
            token,
            before,
        )
        return bool(rows)

    def _take(
        self, condition: str, values: Iterable[str], state: State, lease_seconds: float
    ) -> tuple[Job, str] | None:
        now, token = time.time(), uuid4().hex
        rows = self._run(
            "UPDATE jobs SET state = ?, lease = ?, lease_until = ?, started = coalesce(started, ?) "
            f"WHERE number = (SELECT min(number) FROM jobs WHERE {condition} AND lease_until < ?) "
            "RETURNING *",
            state,
            token,
            now + lease_seconds,
            now,
            *values,
            now,
        )
        return (_job(rows[0]), token) if rows else None

    def _run(self, sql: str, *values: object) -> list[sqlite3.Row]:
        with self._lock:
            return self._connection.execute(sql, values).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[Any]:
        """Run statements as one, before or after everybody else's."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._run
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def _prepare(self) -> None:
        deadline = time.monotonic() + _BUSY_SECONDS
        while True:
            try:
                self._connection.execute("PRAGMA journal_mode = WAL")
                break
            except sqlite3.OperationalError:  # another service does it now; SQLite does not wait for this
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        self._connection.execute("PRAGMA synchronous = FULL")
        with self._transaction() as run:
            version = run("PRAGMA user_version")[0][0]
            if version == 0:
                run(_TABLE)
                run(f"PRAGMA user_version = {_VERSION}")
            elif version != _VERSION:
                raise sqlite3.DatabaseError(
                    f"it is of version {version}, and this service knows {_VERSION}"
                )


def _list(states: Iterable[State]) -> str:
    return "(" + ", ".join(f"'{state.value}'" for state in states) + ")"


def _overlap(one: Bucket, other: Bucket) -> bool:
    """Tell whether one place is the other or lies below it."""
    first, second = f"{one.name}/{one.prefix}/", f"{other.name}/{other.prefix}/"
    return first.startswith(second) or second.startswith(first)


def _job(row: sqlite3.Row) -> Job:
    counts = json.loads(row["counts"])
    errors = tuple(Problem(**error) for error in counts.pop("errors"))
    return Job(
        id=row["id"],
        state=State(row["state"]),
        destination=row["destination"],
        spec=SetSpec.model_validate_json(row["spec"]),
        created=row["created"],
        started=row["started"],
        finished=row["finished"],
        counts=Counts(**counts, errors=errors),
        looked=bool(row["looked"]),
        earlier_n=row["earlier_n"],
    )


def _write_counts(counts: Counts) -> str:
    return json.dumps(asdict(counts))
