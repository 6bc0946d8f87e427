"""What can go wrong with a blind test."""

from __future__ import annotations


class BlindTestError(Exception):
    """A blind test cannot be built, served or scored; the message says what is wrong and where."""
