"""Writing the files of a layout."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from endotwin.samples.png import encode_pngs


def write_pngs(images: Mapping[Path, np.ndarray]) -> None:
    """Write images, the same bytes as everywhere, and the folders that they are in."""
    for folder in {path.parent for path in images}:
        folder.mkdir(parents=True, exist_ok=True)
    for path, png in zip(images, encode_pngs(images.values()), strict=True):
        path.write_bytes(png)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file for people to read, too."""
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
