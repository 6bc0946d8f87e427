"""How well borders can be seen: on real images where experts drew them, on rendered ones where labels do.

Run it as `python -m benchmarks.readability --sources S --checkpoint C`; see README.md in this folder.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from scipy import ndimage

from endotwin.mosaic.labels import soft_borders
from endotwin.process_environment import MEMORY, restart_with
from training.data.sources import read_sources
from training.scores.border_displacement import border_displacements
from training.trial.batches import BorderBatch, RealBatches
from training.trial.borders import thick, thin
from training.trial.labelled_source import labelled_source
from training.trial.trial_data import TrainingSet, load_trial_data

_LIGHT = 8.0
"""Standard deviation, in pixels, of the blur that is taken for illumination and subtracted."""

_LEAST = 200
"""Pixels on borders and inside cells that a crop needs to be measured."""


def contrast(image: np.ndarray, bands: np.ndarray, area: np.ndarray) -> float | None:
    """Return how much darker borders are than the inside of cells, in standard deviations of that inside.

    Args:
        image: uint8 grey levels (H, W).
        bands: bool (H, W), borders three pixels wide.
        area: bool (H, W), where the borders are known.

    Returns:
        None where there is too little of either.
    """
    grey = image.astype(np.float64)
    grey -= ndimage.gaussian_filter(grey, _LIGHT)
    border = bands & area
    inside = area & ~ndimage.binary_dilation(bands, iterations=2)
    if min(border.sum(), inside.sum()) < _LEAST:
        return None
    return float((grey[inside].mean() - grey[border].mean()) / max(grey[inside].std(), 1e-6))


def main(
    *,
    sources: Annotated[Path, typer.Option(help="TOML file of the images the generator was trained with.")],
    checkpoint: Annotated[list[Path], typer.Option(help="A labelled checkpoint; repeatable.")],
    batches: Annotated[int, typer.Option(min=1, help="Batches of 16 images on each side.")] = 20,
) -> None:
    """Print contrast and place of the borders of real crops, by source, and of rendered images."""
    restart_with(MEMORY)
    typer.echo(
        "| images | contrast: a tenth below | half | nine tenths | displacement, median | within 1 px |"
    )
    typer.echo("|---|---|---|---|---|---|")
    for chosen in load_trial_data(read_sources(sources)).training:
        _print_row(chosen.name, islice(_real(chosen), batches))
    for path in checkpoint:
        _print_row(path.name, islice(_rendered(path), batches))


def _real(chosen: TrainingSet) -> Iterator[BorderBatch]:
    crops = RealBatches([chosen], seed=0)
    step = 0
    while True:
        yield crops.batch(step)
        step += 1


def _rendered(checkpoint: Path) -> Iterator[BorderBatch]:
    source = labelled_source(checkpoint, "cpu")
    index = 0
    while True:
        images, borders = source.block(index)
        bands = np.stack([thick(thin(lines > 127)) for lines in borders])
        yield BorderBatch(images, bands, np.ones_like(bands))
        index += 2  # the even ones: mosaics as the checkpoint draws them by itself


def _print_row(name: str, batches: Iterable[BorderBatch]) -> None:
    contrasts, displacements = [], []
    for batch in batches:
        for image, bands, area in zip(batch.images, batch.borders, batch.areas, strict=True):
            found = contrast(image, bands, area)
            if found is None:
                continue
            contrasts.append(found)
            lines = thin(bands)
            soft = soft_borders(np.asarray(ndimage.distance_transform_edt(~lines)))
            known = lines & ndimage.binary_erosion(area, iterations=3)
            displacements.append(
                border_displacements(image, soft, np.where(known, 255, 0).astype(np.uint8))
            )
    low, middle, high = np.quantile(contrasts, (0.1, 0.5, 0.9))
    away = np.concatenate(displacements)
    typer.echo(
        f"| {name} | {low:.2f} | {middle:.2f} | {high:.2f} | {np.median(away):.2f} px "
        f"| {100 * (away <= 1).mean():.0f} % |"
    )


if __name__ == "__main__":
    typer.run(main)
