"""The SQLite file of jobs: opened, made, and of a version that this service knows."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from endotwin.settings import SettingsError, variable
from service.jobs.job import Counts, JobError, State, write_counts

_VERSION = 2
_TABLE = """
CREATE TABLE jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL,
    destination TEXT NOT NULL,
    spec TEXT NOT NULL,
    generator_sha256 TEXT NOT NULL,
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
_OLD_JOB = (
    "an earlier version of the service accepted the job and named its checkpoint by the file's sha256; "
    "DELETE it, and ask again"
)


class JobDatabase:
    """One connection to the file, for several threads. Every write is on disk when it returns."""

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
            self._connection.row_factory = lambda cursor, values: dict(
                zip((column[0] for column in cursor.description), values, strict=True)
            )
            # Text that is not UTF-8 must not keep the other rows of a query from being read.
            self._connection.text_factory = lambda raw: raw.decode(errors="replace")
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

    def run(self, sql: str, *values: object) -> list[dict[str, Any]]:
        """Run one statement; return its rows by column."""
        with self._lock:
            return self._connection.execute(sql, values).fetchall()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Run the statements of a block as one, before or after those of others."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def _prepare(self) -> None:
        deadline = time.monotonic() + _BUSY_SECONDS
        while True:
            try:
                self.run("PRAGMA journal_mode = WAL")
                break
            except sqlite3.OperationalError:  # another service does it now; SQLite does not wait for this
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        self.run("PRAGMA synchronous = FULL")
        with self.transaction():
            [found] = self.run("PRAGMA user_version")
            version = found["user_version"]
            if version == 0:
                self.run(_TABLE)
            elif version == 1:
                self._update_from_1()
            elif version != _VERSION:
                raise sqlite3.DatabaseError(
                    f"it is of version {version}, and this service knows {_VERSION}"
                )
            self.run(f"PRAGMA user_version = {_VERSION}")

    def _update_from_1(self) -> None:
        """Rename the digest; jobs that wait fail, since their checkpoint cannot be found by it."""
        self.run("ALTER TABLE jobs RENAME COLUMN checkpoint_sha256 TO generator_sha256")
        self.run("""UPDATE jobs SET spec = replace(spec, '"checkpoint_sha256":', '"generator_sha256":')""")
        now = time.time()
        self.run(
            "UPDATE jobs SET state = ?, finished = ?, counts = ?, lease = NULL, lease_until = 0 "
            "WHERE state IN (?, ?)",
            State.FAILED,
            now,
            write_counts(Counts(errors=(JobError(now, _OLD_JOB),))),
            State.QUEUED,
            State.RUNNING,
        )
