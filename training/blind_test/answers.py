"""Experts' answers in an SQLite file, which is only appended to."""

from __future__ import annotations

import datetime
import sqlite3
import threading
from dataclasses import dataclass
from pathlib import Path

from training.blind_test.blind_set import BlindTestError, Origin

WAIT_SECONDS = 5.0
"""How long an answer waits for another program that holds the file."""

_TABLE = """
CREATE TABLE IF NOT EXISTS answers (
    number INTEGER PRIMARY KEY,
    expert TEXT NOT NULL,
    image TEXT NOT NULL,
    answer TEXT NOT NULL CHECK (answer IN ('generated', 'real')),
    visible_ms INTEGER NOT NULL CHECK (visible_ms >= 0),
    answered_at TEXT NOT NULL
)
"""


@dataclass(frozen=True)
class Answer:
    """One answer; of several to one image, the last one counts.

    Attributes:
        expert: who gave it.
        image: name of the image.
        answer: what the expert takes it for.
        visible_ms: milliseconds for which the image was visible before it.
    """

    expert: str
    image: str
    answer: Origin
    visible_ms: int


class AnswerStore:
    """The answers of one blind test. May be used from several threads."""

    def __init__(self, path: Path) -> None:
        """Open the file, or create it.

        Raises:
            BlindTestError: it cannot be opened, or is no file of answers.
        """
        self._lock = threading.Lock()
        try:
            self._file = sqlite3.connect(
                path, timeout=WAIT_SECONDS, isolation_level=None, check_same_thread=False
            )
            # An answer is on the disk when `add` returns, also through a loss of power.
            self._file.execute("PRAGMA synchronous = EXTRA")
            self._file.execute(_TABLE)
            self._file.execute("CREATE INDEX IF NOT EXISTS of_expert ON answers (expert, number)")
        except sqlite3.Error as error:
            raise BlindTestError(f"{path}: the answers cannot be kept there: {error}") from error

    def add(self, answer: Answer) -> None:
        """Write an answer to the disk.

        Raises:
            sqlite3.Error: it could not be written, and is not stored.
        """
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
        row = (answer.expert, answer.image, answer.answer.value, answer.visible_ms, now)
        with self._lock:
            self._file.execute(
                "INSERT INTO answers (expert, image, answer, visible_ms, answered_at) "
                "VALUES (?, ?, ?, ?, ?)",
                row,
            )

    def latest(self, expert: str) -> dict[str, Origin]:
        """Return an expert's answer to each image answered so far."""
        with self._lock:
            rows = self._file.execute(
                "SELECT image, answer FROM answers WHERE expert = ? ORDER BY number", (expert,)
            ).fetchall()
        return {image: Origin(answer) for image, answer in rows}

    def all(self) -> list[Answer]:
        """Return every answer ever given, in the order in which they came."""
        with self._lock:
            rows = self._file.execute(
                "SELECT expert, image, answer, visible_ms FROM answers ORDER BY number"
            ).fetchall()
        return [Answer(expert, image, Origin(answer), visible) for expert, image, answer, visible in rows]

    def close(self) -> None:
        """Close the file."""
        self._file.close()
