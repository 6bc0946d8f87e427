"""A drawn mosaic against its own borders, saved as a mask and rendered again: how far apart they are.

Run it as `python -m benchmarks.own_masks CHECKPOINT`; see README.md in this folder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from endotwin.generator.checkpoint import load_checkpoint
from endotwin.generator.labelled import LabelledGenerator
from endotwin.generator.sampler import Sampler
from endotwin.image_range import BATCH, ImageRange
from endotwin.mosaic.labels import Label
from endotwin.mosaic.mask_scene import mosaic_of_mask, scene_of_mask
from endotwin.mosaic.own_masks import read_borders
from endotwin.mosaic.parameters import Conditions, Range
from endotwin.mosaic.scene import SCENE_NUMBERS, Rendered
from endotwin.process_environment import MEMORY, restart_with
from training.scores.border_displacement import border_displacements

_NEAR = 3.0
"""Pixels from a border within which the distance to it is compared."""


def main(
    checkpoint: Annotated[Path, typer.Argument(help="A labelled checkpoint.")],
    n: Annotated[int, typer.Option(min=1, max=BATCH, help="Images.")] = BATCH,
    seed: Annotated[int, typer.Option(min=0, help="Of the images.")] = 5,
) -> None:
    """Print how far borders and images are apart, all but the mask's way to the renderer being equal."""
    restart_with(MEMORY)
    sampler = Sampler(load_checkpoint(checkpoint, require_fid=False))
    generator = sampler.checkpoint.generator
    if not isinstance(generator, LabelledGenerator):
        raise typer.BadParameter(f"{checkpoint} has no labels")
    draws = generator.draw_numbers(ImageRange(seed, 0, n), 0)
    drawn = generator.draw_scenes(draws, Conditions(guttae=Range(low=0.0, high=0.0)))
    labels = [scene.label() for scene in drawn]
    usual = generator.architecture.population.hexagonality_mean
    masks = [mosaic_of_mask(read_borders(label.borders)) for label in labels]
    rendered = [
        scene_of_mask(mask, row[:SCENE_NUMBERS], scene.parameters, usual)
        for mask, row, scene in zip(masks, draws, drawn, strict=True)
    ]
    same_cells = [replace(one, looks=scene.looks) for one, scene in zip(rendered, drawn, strict=True)]

    near = [scene.raster.border < _NEAR for scene in drawn]
    apart = [
        np.abs(mask.raster.border - scene.raster.border)[close]
        for mask, scene, close in zip(masks, drawn, near, strict=True)
    ]
    kept = [(mask.borders > 0)[label.borders > 0] for mask, label in zip(masks, labels, strict=True)]
    typer.echo(
        f"distance to the border, within {_NEAR:g} px of it: {np.concatenate(apart).mean():.2f} px apart"
    )
    typer.echo(f"pixels of the borders that stay: {100 * np.concatenate(kept).mean():.1f} %")

    def images(scenes: Sequence[Rendered]) -> np.ndarray:
        return sampler.run(draws, scenes).astype(int)

    first, same, other = images(drawn), images(same_cells), images(rendered)
    typer.echo(
        f"images: {np.abs(first - same).mean():.1f} grey levels apart, with the same look of each cell"
    )
    typer.echo(f"        {np.abs(first - other).mean():.1f} with other looks of cells")
    typer.echo(f"        {first.std(axis=(1, 2)).mean():.1f} is the standard deviation of an image")
    for name, some in (("drawn", first), ("of masks", other)):
        found = _displacements(some, labels)
        typer.echo(
            f"borders, {name}: {np.median(found):.2f} px from the mask (median), "
            f"{100 * (found <= 1.0).mean():.0f} % within one"
        )


def _displacements(images: np.ndarray, labels: Sequence[Label]) -> np.ndarray:
    return np.concatenate(
        [
            border_displacements(image.astype(np.uint8), label.soft, label.borders)
            for image, label in zip(images, labels, strict=True)
        ]
    )


if __name__ == "__main__":
    typer.run(main)
