"""A file of SQLite for several threads and processes, of a version that this service knows."""

from __future__ import annotations

import sqlite3
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from endotwin.settings import SettingsError, variable

_BUSY_SECONDS = 30.0


class SqliteFile(ABC):
    """One connection to the file, for several threads. Every write is on disk when it returns.

    Attributes:
        VERSION: of the tables.
        SETTING: names the file.
        PURPOSE: what the file is, for messages.
    """

    VERSION: ClassVar[int]
    SETTING: ClassVar[str]
    PURPOSE: ClassVar[str]

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
                f"{variable(self.SETTING)}: {path} cannot be used as the file of {self.PURPOSE}: {error}; "
                "name a file in a folder that the service can write to"
            ) from error

    @abstractmethod
    def make_tables(self) -> None:
        """Make the tables in a new file."""

    @abstractmethod
    def update_tables(self, version: int) -> None:
        """Bring tables of an earlier version to this one."""

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
                self.make_tables()
            elif version < self.VERSION:
                self.update_tables(version)
            elif version > self.VERSION:
                raise sqlite3.DatabaseError(
                    f"it is of version {version}, and this service knows {self.VERSION}"
                )
            self.run(f"PRAGMA user_version = {self.VERSION}")
