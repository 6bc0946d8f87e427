"""The two classes of a blind test, which are also the two answers."""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    """What an image is, or what an expert takes it for."""

    GENERATED = "generated"
    REAL = "real"
