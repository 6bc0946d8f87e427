"""Pages of reference that are written from the code; `python -m scripts.reference` writes them again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from scripts.reference.api_page import api_page
from scripts.reference.http_page import http_page

ROOT = Path(__file__).resolve().parents[2]

PAGES: dict[str, Callable[[], str]] = {"api.md": api_page, "http.md": http_page}
"""What is in docs/, by name, and what writes it."""
