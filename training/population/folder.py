"""Measure the images of a folder; what is measured is kept, so that a stopped session goes on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter, ValidationError

from endotwin.files import whole_file
from endotwin.image_reading import read_grey
from training.population.border_map import load_reader
from training.population.measurement import METHOD_VERSION, find_side, measure_image
from training.population.population import ImageMeasures
from training.progress import shown_steps

MEASURED_IMAGES = 60
"""Images of a folder that are measured at most, spread over all."""

_SIDE_IMAGES = 8
"""Images by which the size of cells is found."""

_Kept = TypeAdapter(list[ImageMeasures])


def measure_folder(images: Sequence[Path], kept: Path) -> list[ImageMeasures]:
    """Measure images of one instrument.

    Args:
        images: curated ones, at least one, named by digest.
        kept: file of what was measured before, and is now.

    Returns:
        The measures of all images, or of `MEASURED_IMAGES` of them.
    """
    chosen = _spread(images, MEASURED_IMAGES)
    known = {image.file: image for image in _read(kept)}
    missing = [path for path in chosen if path.name not in known]
    if missing:
        reader = load_reader()
        some = [read_grey(path) for path in _spread(chosen, _SIDE_IMAGES)]
        side = find_side(reader, list(shown_steps(some, "size of cells", len(some))))
        for path in shown_steps(missing, "measuring cells", len(missing)):
            known[path.name] = measure_image(reader, read_grey(path), side, path.name)
            _write(kept, list(known.values()))
    return [known[path.name] for path in chosen]


def _spread(items: Sequence[Path], most: int) -> list[Path]:
    if len(items) <= most:
        return list(items)
    return [items[k] for k in np.linspace(0, len(items) - 1, most).round().astype(int)]


def _read(path: Path) -> list[ImageMeasures]:
    if not path.exists():
        return []
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return _Kept.validate_python(content["images"]) if content["method"] == METHOD_VERSION else []
    except (ValueError, KeyError, TypeError, ValidationError):
        return []  # of another version: measured again


def _write(path: Path, images: list[ImageMeasures]) -> None:
    content = {"method": METHOD_VERSION, "images": [image.model_dump() for image in images]}
    with whole_file(path) as file:
        file.write(json.dumps(content, indent=1).encode())
