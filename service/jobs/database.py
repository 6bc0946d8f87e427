"""The SQLite file of jobs: its table, and what is done to those of earlier versions."""

from __future__ import annotations

import time

from service.jobs.job import Counts, JobError, State, write_counts
from service.sqlite_file import SqliteFile

_TABLE = """
CREATE TABLE jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    state TEXT NOT NULL,
    destination TEXT NOT NULL,
    spec TEXT NOT NULL,
    any_shard_size INTEGER NOT NULL DEFAULT 0,
    generator_sha256 TEXT NOT NULL,
    request_key TEXT,
    request_sha256 TEXT NOT NULL,
    created REAL NOT NULL,
    taken REAL,
    started REAL,
    finished REAL,
    counts TEXT NOT NULL,
    looked INTEGER NOT NULL DEFAULT 0,
    earlier_n INTEGER,
    lease TEXT,
    lease_until REAL NOT NULL DEFAULT 0,
    UNIQUE (owner, request_key)
)
"""
_COLUMNS_OF_2 = (
    "number, id, state, destination, spec, generator_sha256, request_key, request_sha256, created, "
    "started, finished, counts, looked, earlier_n, lease, lease_until"
)
_OLD_JOB = (
    "an earlier version of the service accepted the job and named its checkpoint by the file's sha256; "
    "DELETE it, and ask again"
)


class JobDatabase(SqliteFile):
    """The file of jobs."""

    VERSION = 4
    SETTING = "jobs_store"
    PURPOSE = "jobs"

    def make_tables(self) -> None:
        """Make the table."""
        self.run(_TABLE)

    def update_tables(self, version: int) -> None:
        """Bring the table of an earlier version to this one."""
        if version == 3:
            self.run("ALTER TABLE jobs ADD COLUMN any_shard_size INTEGER NOT NULL DEFAULT 0")
            return
        if version == 1:
            self._update_from_1()
        self._update_from_2()

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

    def _update_from_2(self) -> None:
        """Give jobs an owner, and each owner idempotency keys of its own: that takes a new table."""
        self.run("ALTER TABLE jobs RENAME TO old_jobs")
        self.run(_TABLE)
        self.run(f"INSERT INTO jobs (owner, {_COLUMNS_OF_2}) SELECT '', {_COLUMNS_OF_2} FROM old_jobs")
        self.run("DROP TABLE old_jobs")
