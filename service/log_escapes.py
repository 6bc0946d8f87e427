"""Log lines that a client cannot forge: paths and headers get into them with every byte that was sent."""

from __future__ import annotations

import logging

from endotwin.quoting import escape_unprintable

_FORMATTER = logging.Formatter()


class EscapeUnprintable(logging.Filter):
    """Escape what does not show in messages and tracebacks, so that one record stays one record."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record; pass it on."""
        record.msg, record.args = escape_unprintable(record.getMessage()), ()
        if record.exc_info and not record.exc_text:
            record.exc_text = escape_unprintable(_FORMATTER.formatException(record.exc_info), keep="\n")
        return True


def escape_all_logs() -> None:
    """Escape in every handler there is."""
    loggers = [logging.getLogger(), *map(logging.getLogger, logging.root.manager.loggerDict)]
    for handler in {handler for logger in loggers for handler in logger.handlers}:
        if not any(isinstance(there, EscapeUnprintable) for there in handler.filters):
            handler.addFilter(EscapeUnprintable())
