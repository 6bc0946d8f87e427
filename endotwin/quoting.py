"""Quoting what a caller sent, in messages."""

from __future__ import annotations


def shorten(text: str) -> str:
    """Quote a text, at most 60 characters of it."""
    return repr(text if len(text) <= 60 else text[:60] + "…")
