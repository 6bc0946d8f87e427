"""The Python examples of docs/, run as they stand there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parents[2] / "docs"


def table_rows(page: str, section: str, *, column: int = 0) -> dict[str, list[str]]:
    """Return the rows of the tables in a section, by each `name` that stands in one of their columns.

    Args:
        page: of docs/.
        section: its title as it stands there, with the `#`s.
        column: in which the names are.
    """
    level = section.partition(" ")[0]
    text = (DOCS / page).read_text(encoding="utf-8")
    start = text.index(f"\n{section}\n") + len(section) + 2
    after = re.search(rf"^#{{1,{len(level)}}} ", text[start:], re.MULTILINE)
    rows = {}
    for line in text[start : start + after.start() if after else None].splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if len(cells) > column:
            rows |= dict.fromkeys(re.findall(r"`([^`]+)`", cells[column]), cells)
    return rows


def python_blocks(page: str) -> list[str]:
    """Return the Python examples of a page, in their order."""
    return re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL)


def run_block(block: str, page: str, names: dict[str, Any] | None = None) -> dict[str, Any]:
    """Run an example in the current folder, and return its names with those that it was given."""
    names = {"__name__": "example"} if names is None else names
    exec(compile(block, str(DOCS / page), "exec"), names)
    return names


def snippet(mark: str, page: str = "layouts.md") -> dict[str, Any]:
    """Run the one example of a page that contains `mark`, and return its names."""
    (chosen,) = [block for block in python_blocks(page) if mark in block]
    return run_block(chosen, page)
