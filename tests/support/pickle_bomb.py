"""A pickle that shows whether it was unpickled."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path


class Bomb:
    """An object whose unpickling makes a folder."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self.marker),)
