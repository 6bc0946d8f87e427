"""Quoting what a caller sent, in messages and logs."""

from __future__ import annotations

import os
import re

CREDENTIALS = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ACCESS_KEY_ID")
"""Environment variables that no message shows."""

_SHORTEST_CREDENTIAL = 4
"""Characters. A shorter value is a mistake, and to hide it would take letters out of every word."""

_TOKEN = re.compile(r"endotwin_[\w-]{40,}")
"""An access key (`endotwin.keys`), wherever a client has put it."""

_PASSWORD = re.compile(r"(?<=://)[^/@\s\"']+@")


def shorten(text: str) -> str:
    """Quote a text, at most 60 characters of it."""
    return repr(text if len(text) <= 60 else text[:60] + "…")


def escape_unprintable(text: str, keep: str = "") -> str:
    """Write every character that does not show, such as a line feed or an escape, as in a Python literal.

    Args:
        text: any.
        keep: characters to leave as they are.
    """
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() or letter in keep else letter.encode("unicode_escape").decode()
        for letter in text
    )


def hide_secrets(text: str) -> str:
    """Return a text without credentials of the environment, access keys, and passwords in addresses."""
    for name in CREDENTIALS:
        if len(value := os.environ.get(name, "")) >= _SHORTEST_CREDENTIAL:
            # Escaped, as a header that is no header is shown.
            text = text.replace(value, "…").replace(escape_unprintable(value), "…")
    return _PASSWORD.sub("…@", _TOKEN.sub("endotwin_…", text))
