"""The progress bars of an evaluation, one below the other."""

from __future__ import annotations

from tqdm import tqdm

_WIDTH = 38


def progress_bar(description: str, total: int, *, quiet: bool) -> tqdm:
    """Return a progress bar, to be used as a context.

    Args:
        description: plain text, at most 38 characters.
        total: of what `update` is told.
        quiet: show nothing.
    """
    return tqdm(total=total, desc=f"{description:<{_WIDTH}}", disable=quiet, unit="")
