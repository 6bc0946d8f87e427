"""The Python examples of docs/layouts.md, run as they stand there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "layouts.md"


def snippet(mark: str) -> dict[str, Any]:
    """Run the one example that contains `mark`, in the current folder, and return its names."""
    blocks = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    (chosen,) = [block for block in blocks if mark in block]
    names: dict[str, Any] = {"__name__": "example"}
    exec(compile(chosen, str(DOCUMENT), "exec"), names)
    return names
