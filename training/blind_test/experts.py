"""Experts: how they are named, and in which order each sees the images."""

from __future__ import annotations

import hashlib
import re

from training.blind_test.documents import BlindSet
from training.blind_test.errors import BlindTestError

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")


def expert_name(text: str) -> str:
    """Return an expert's name as it is stored: in lower case, without blanks around it.

    Raises:
        BlindTestError: it is not 1 to 32 letters a to z, digits, hyphens or underscores.
    """
    name = text.strip().lower()
    if not _NAME.fullmatch(name):
        raise BlindTestError(
            "A name has 1 to 32 letters from a to z, digits, hyphens or underscores, and starts with a "
            "letter or digit. Spaces and accents are not possible."
        )
    return name


def order_of(test: BlindSet, expert: str) -> tuple[str, ...]:
    """Return the images' names in an expert's own order, the same each time."""

    def rank(image: str) -> bytes:
        return hashlib.sha256(f"{test.order} {expert} {image}".encode()).digest()

    return tuple(sorted(test.images, key=rank))
