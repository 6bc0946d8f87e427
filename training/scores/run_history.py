"""The history of a training run: FID over images seen, and the same images at several stages."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from endotwin.generator.card import Card
from endotwin.image_range import IMAGE_SIZE
from training.learning.run_folder import RunError, RunFolder
from training.scores.figures import fid_figure, figure_png, image_png

STAGES = 4
"""Grids of a run that are shown, before the checkpoint's own."""

_SHOWN_ROWS = 2


class Stage(BaseModel):
    """A point of a training run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    images: int = Field(description="images seen")
    epoch: float
    quick_fid: float | None = Field(description="of a few hundred images; never comparable with a record")


class RunHistory(BaseModel):
    """What a run folder keeps of the training that led to a checkpoint."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    run: str = Field(description="name of the run folder, which holds its configuration")
    scored: tuple[Stage, ...] = Field(description="every quick FID up to the checkpoint")
    shown: tuple[Stage, ...] = Field(description="stages whose images the report shows")


@dataclass(frozen=True)
class HistoryPictures:
    """PNGs: one sheet for each stage that is shown, and FID over images seen, if there is any."""

    stages: tuple[bytes, ...]
    fid: bytes | None


def read_history(run: Path, card: Card) -> tuple[RunHistory, HistoryPictures]:
    """Read what the run folder of a checkpoint keeps.

    Args:
        run: the run folder.
        card: of the checkpoint; what the run did after it was recorded is left out.

    Raises:
        RunError: it is no run folder, or that of another checkpoint.
    """
    folder = RunFolder(run)
    settings = folder.read_settings()
    expected = folder.name_of(settings, card.data.image_list_sha256)
    same = (settings.name, settings.architecture) == (card.name, card.architecture)
    if run.resolve().name != expected or not same:
        raise RunError(
            f"{run}: not the run that {card.name} comes from: its settings or its images are others"
        )
    end = card.training.images_seen
    records = [record for record in folder.read_statistics() if record["images"] <= end]
    per_epoch = end / card.training.epochs if card.training.epochs else 1.0
    scores = {record["images"]: record["quick_fid"] for record in records if "quick_fid" in record}
    grids = _grids(run, end)
    chosen = _choose(sorted(grids), set(scores))

    def stage(images: int) -> Stage:
        return Stage(images=images, epoch=round(images / per_epoch, 1), quick_fid=scores.get(images))

    history = RunHistory(
        run=run.resolve().name,
        scored=tuple(stage(images) for images in sorted(scores)),
        shown=tuple(stage(images) for images in chosen),
    )
    return history, HistoryPictures(
        stages=tuple(_first_rows(grids[images]) for images in chosen),
        fid=_fid_png(records, card) if scores else None,
    )


def _grids(run: Path, end: int) -> dict[int, Path]:
    """Return the sample grids up to `end` images seen."""
    found = {int(path.stem): path for path in (run / "samples").glob("[0-9]*.png")}
    return {images: path for images, path in found.items() if images <= end}


def _choose(grids: list[int], scored: set[int]) -> list[int]:
    """Choose stages to show: the first grid, and scored ones evenly; all evenly where few are scored."""
    if not grids:
        return []
    candidates = [images for images in grids if images in scored or images == grids[0]]
    if len(candidates) == 1:
        candidates = grids
    places = np.linspace(0, len(candidates) - 1, min(STAGES, len(candidates)))
    return [candidates[round(place)] for place in places]


def _first_rows(path: Path) -> bytes:
    with Image.open(path) as grid:
        height = min(grid.height, _SHOWN_ROWS * (IMAGE_SIZE + 2) - 2)
        return image_png(grid.convert("L").crop((0, 0, grid.width, height)))


def _fid_png(records: list[dict[str, Any]], card: Card) -> bytes:
    return figure_png(fid_figure(records, recorded=card.fid, end=card.training.images_seen))
