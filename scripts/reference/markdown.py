"""Pieces of Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

WRITTEN = "<!-- Written by `python -m scripts.reference`; change the code instead. -->"


def escape(text: str) -> str:
    """Return text in which nothing outside of `code` is Markdown or HTML; pages of docs/ become links."""
    pieces = re.split(r"(`[^`]*`)", text)
    pieces[::2] = [re.sub(r"([*<>])", r"\\\1", piece) for piece in pieces[::2]]
    pieces[::2] = [re.sub(r"docs/([\w-]+\.md)", r"[\1](\1)", piece) for piece in pieces[::2]]
    return "".join(pieces)


def code(text: str) -> str:
    """Return text as code."""
    return f"`{text}`"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a table, without columns that are empty, and an empty line; none for no rows.

    Args:
        heads: of the columns.
        rows: Markdown, a text for each column.
    """
    filled = list(rows)
    kept = [number for number in range(len(heads)) if number == 0 or any(row[number] for row in filled)]
    lines = [_row([heads[number] for number in kept]), f"|{'---|' * len(kept)}"]
    lines += [_row([row[number] for number in kept]) for row in filled]
    return [*lines, ""] if filled else []


def _row(cells: Iterable[str]) -> str:
    joined = (" ".join(cell.split()).replace("|", r"\|") for cell in cells)
    return f"| {' | '.join(joined)} |"
