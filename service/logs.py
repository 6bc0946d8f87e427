"""How log lines look: one JSON object each, or text for a terminal.

No line holds a secret, nor a control character that a client has sent.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from logging.config import dictConfig
from typing import Any, Literal

from endotwin.quoting import escape_unprintable, hide_secrets
from service.request_record import current_record

_SERVER_NOISE = "ASGI callable returned without completing response."
"""Uvicorn's line about a stream that was cut; the line of the request says why."""

_SERVER_CUTS = "Cancel %s running task(s), timeout graceful shutdown exceeded"
"""Uvicorn's error about streams that a stop cuts, as it is meant to."""


def configure_logs(kind: Literal["auto", "json", "text"]) -> None:
    """Write every line of this process to standard output in one format, those of libraries included.

    Args:
        kind: of a line; auto is text where standard output is a terminal, else json.
    """
    if kind == "auto":
        kind = "text" if sys.stdout.isatty() else "json"
    to_root: dict[str, Any] = {"handlers": [], "propagate": True}
    dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"line": {"()": JsonLine if kind == "json" else TextLine}},
            "filters": {"server": {"()": _ServerLines}},
            "handlers": {
                "stdout": {
                    "class": "logging.StreamHandler",
                    "stream": "ext://sys.stdout",
                    "formatter": "line",
                    "filters": ["server"],
                }
            },
            "root": {"level": "WARNING", "handlers": ["stdout"]},
            "loggers": {
                "endotwin": {"level": "INFO", **to_root},
                "bentoml": {"level": "INFO", **to_root},
                "circus": {"level": "WARNING", **to_root},
                "uvicorn": {"level": "WARNING", **to_root},
                "uvicorn.error": {"level": "WARNING", **to_root},
                "uvicorn.access": {"level": "WARNING", **to_root},  # RequestLog writes these lines
            },
        }
    )
    logging.captureWarnings(True)
    threading.excepthook = _log_thread_error


def _log_thread_error(ended: threading.ExceptHookArgs) -> None:
    name = ended.thread.name if ended.thread else "unknown"
    error = ended.exc_value or ended.exc_type()
    logging.getLogger("endotwin").error("thread %s has ended", name, exc_info=error)


class JsonLine(logging.Formatter):
    """One JSON object in ASCII: time, level, logger, message, and the fields of the request."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        line: dict[str, object] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        shown = {
            name: hide_secrets(value) if isinstance(value, str) else value for name, value in line.items()
        }
        return json.dumps(shown, default=str).replace("\x7f", "\\u007f")


class TextLine(logging.Formatter):
    """Time, level, message and fields, for people; what follows on further lines is indented."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        fields = " ".join(f"{name}={_shown(value)}" for name, value in _fields(record).items())
        text = f"{_time(record)} {record.levelname:<7} {escape_unprintable(record.getMessage())}"
        if fields:
            text += f"  {fields}"
        if record.exc_info:
            lines = self.formatException(record.exc_info).split("\n")
            text += "".join(f"\n    {escape_unprintable(line)}" for line in lines)
        return hide_secrets(text)


class _ServerLines(logging.Filter):
    """Drop or reword lines of uvicorn that are no errors here."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.msg == _SERVER_CUTS:
            record.msg = "the service stops: requests that are still open are cut (%s)"
            record.levelno, record.levelname = logging.INFO, "INFO"
        return record.msg != _SERVER_NOISE


def _time(record: logging.LogRecord) -> str:
    when = datetime.fromtimestamp(record.created, UTC)
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _fields(record: logging.LogRecord) -> Mapping[str, object]:
    """Return the fields of a record; every line that is written while a request is answered has its id."""
    fields: dict[str, object] = getattr(record, "fields", {})
    identity = current_record().id
    return {"request_id": identity, **fields} if identity and "request_id" not in fields else fields


def _shown(value: object) -> str:
    text = escape_unprintable(str(value))
    return json.dumps(text, ensure_ascii=False) if " " in text or '"' in text or not text else text
