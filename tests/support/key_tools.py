"""Keys for the tests."""

from __future__ import annotations

from pathlib import Path

from endotwin.keys import create_key


def make_key(path: Path, name: str, *scopes: str, **limits: int) -> str:
    """Add a key to a file; return its token."""
    unlimited = {"images_per_day": None, "streams": None, "job_images": None}
    return create_key(path, name, scopes, **{**unlimited, **limits})
