"""Keeping secrets and inner addresses out of what clients are told, the store keeps and the log says."""

from __future__ import annotations

import os
import re

_SECRETS = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ACCESS_KEY_ID")
_ADDRESS = re.compile(r"https?://[^/\s\"']+")


def redact(text: str) -> str:
    """Return a message without credentials of the environment and without the address of the storage."""
    text = _ADDRESS.sub("https://…", text)
    for name in _SECRETS:
        if value := os.environ.get(name):
            text = text.replace(value, "…")
    return text
