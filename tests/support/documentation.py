"""The Python examples of docs/, run as they stand there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

_DOCS = Path(__file__).resolve().parents[2] / "docs"


def python_blocks(page: str) -> list[str]:
    """Return the Python examples of a page, in their order."""
    return re.findall(r"```python\n(.*?)```", (_DOCS / page).read_text(encoding="utf-8"), re.DOTALL)


def run_block(block: str, page: str, names: dict[str, Any] | None = None) -> dict[str, Any]:
    """Run an example in the current folder, and return its names with those that it was given."""
    names = {"__name__": "example"} if names is None else names
    exec(compile(block, str(_DOCS / page), "exec"), names)
    return names


def snippet(mark: str, page: str = "layouts.md") -> dict[str, Any]:
    """Run the one example of a page that contains `mark`, and return its names."""
    (chosen,) = [block for block in python_blocks(page) if mark in block]
    return run_block(chosen, page)
