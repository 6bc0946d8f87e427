"""Quoting what a caller sent, in messages and logs."""

from __future__ import annotations


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
