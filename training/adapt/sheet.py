"""The sheet that shows how far an adaptation is: real crops above generated ones with their labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from endotwin.files import whole_file
from endotwin.generator.batch import Batch
from endotwin.generator.checkpoint import Checkpoint
from endotwin.generator.sampler import Sampler
from endotwin.image_range import BATCH, ImageRange
from endotwin.samples.grid import draw_grid
from training.data.crops import draw_crops
from training.data.split import Dataset
from training.random_streams import Purpose, stream
from training.scores.figures import draw_label_sheet

_COLUMNS = 8
_ZOOM = 2
_GAP = 16


def first_batch(checkpoint: Checkpoint, device: str) -> Batch:
    """Generate the images of a sheet: 0 to 15 of seed 0."""
    return Sampler(checkpoint, device).batch(ImageRange(0, 0, BATCH))


def write_sheet(path: Path, batch: Batch, dataset: Dataset) -> None:
    """Write a sheet with real crops above generated images as a PNG, whole or not at all."""
    with whole_file(path) as file:
        draw_sheet(batch, dataset).save(file, format="PNG")


def draw_sheet(batch: Batch, dataset: Dataset | None = None) -> Image.Image:
    """Draw generated images, below each row the same ones with their labels if they have any.

    Args:
        batch: of generated images.
        dataset: real images, of which crops are shown above; None shows none.
    """
    if batch.scenes:
        generated = np.asarray(draw_label_sheet(batch.images, batch.labels(), _COLUMNS))
    else:
        generated = np.asarray(draw_grid(_enlarged(batch.images), _COLUMNS).convert("RGB"))
    parts = [generated]
    if dataset is not None:
        crops = draw_crops(dataset.training, _COLUMNS, stream(0, Purpose.SHEET_CROPS))
        parts.insert(0, np.asarray(draw_grid(_enlarged(crops), _COLUMNS).convert("RGB")))
    return draw_grid(parts, 1, gap=_GAP)


def _enlarged(images: np.ndarray) -> np.ndarray:
    larger: np.ndarray = images.repeat(_ZOOM, axis=1).repeat(_ZOOM, axis=2)
    return larger
