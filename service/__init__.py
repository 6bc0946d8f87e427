"""The HTTP service: streams of synthetic images by seed and index, and jobs that write large sets."""

from __future__ import annotations

from typing import Any

__all__ = ["Service"]


def __getattr__(name: str) -> Any:
    """Import the BentoML service when `service:Service` is asked for: the command line does without it."""
    if name == "Service":
        from service.http_service import Service  # noqa: PLC0415

        return Service
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
