"""What each part of the labelled generator is worth to a segmenter: the same trial without it.

Run it as `python -m benchmarks.ablations --sources S --checkpoint C`; see README.md in this folder.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer

from endotwin.generator.architectures import to_grey_levels
from endotwin.generator.checkpoint import Checkpoint, load_checkpoint
from endotwin.generator.labelled import LabelledGenerator
from endotwin.generator.latents import draw_normals
from endotwin.generator.sampler import Sampler
from endotwin.image_range import BATCH, ImageRange
from endotwin.mosaic.drawing import Mosaic, MosaicShape
from endotwin.mosaic.raster import rasterise
from endotwin.mosaic.scene import SCENE_NUMBERS, Scene
from endotwin.mosaic.tessellation import tessellate
from endotwin.process_environment import MEMORY, restart_with
from training.data.sources import read_sources
from training.trial.arms import make_arms
from training.trial.labelled_source import CONDITIONS_IN_TURN, SEED, LabelledSource
from training.trial.report_text import markdown_report
from training.trial.run import run_trial
from training.trial.settings import TrialSettings
from training.trial.trial_data import load_trial_data

_JITTERS = (0.06, 0.18)
"""Of the jittered hexagons, in spacings: from nearly regular to as irregular as the peers' patterns."""

_MARGIN = 3.0

_USUAL = CONDITIONS_IN_TURN[0]


def labelled_generator(checkpoint: Checkpoint) -> LabelledGenerator:
    """Return the generator of a checkpoint with labels."""
    if not isinstance(checkpoint.generator, LabelledGenerator):
        raise typer.BadParameter(f"{checkpoint.card.name} has no labels")
    return checkpoint.generator


def ablated_source(
    name: str, sampler: Sampler, change: Callable[[np.ndarray, list[Scene]], list[Scene]]
) -> LabelledSource:
    """Return a labelled checkpoint with one part taken away.

    Args:
        name: of the source, before the checkpoint's digest.
        sampler: of the checkpoint.
        change: takes the part away; may alter the random numbers (B, draws) and the scenes.
    """
    generator = labelled_generator(sampler.checkpoint)

    def block(index: int) -> tuple[np.ndarray, np.ndarray]:
        draws = draw_normals(ImageRange(SEED, index * BATCH, BATCH), generator.draws)
        scenes = change(draws, generator.draw_scenes(draws, _USUAL))
        with torch.inference_mode():
            images = to_grey_levels(generator.render_scenes(torch.from_numpy(draws), scenes))
        return images.numpy(), np.stack([scene.label().borders for scene in scenes])

    parts = f"{name} {sampler.checkpoint.generator_sha256} {SEED} {_USUAL!r}"
    return LabelledSource(name, hashlib.sha256(parts.encode()).hexdigest(), block)


def with_everything(draws: np.ndarray, scenes: list[Scene]) -> list[Scene]:
    """Take nothing away."""
    return scenes


def with_one_style(latent: int) -> Callable[[np.ndarray, list[Scene]], list[Scene]]:
    """Give every image the same style vector."""

    def change(draws: np.ndarray, scenes: list[Scene]) -> list[Scene]:
        draws[:, SCENE_NUMBERS : SCENE_NUMBERS + latent] = 0.0
        return scenes

    return change


def with_jittered_hexagons(draws: np.ndarray, scenes: list[Scene]) -> list[Scene]:
    """Draw every mosaic as the Voronoi diagram of a jittered hexagonal grid with cells of the same size."""
    return [_on_hexagons(row, scene) for row, scene in zip(draws, scenes, strict=True)]


def _on_hexagons(numbers: np.ndarray, scene: Scene) -> Scene:
    rng = np.random.default_rng(abs(int(numbers[0] * 2**40)))
    spacing = scene.mosaic.shape.spacing
    half = 64.0 + _MARGIN * spacing
    reach = np.arange(-math.ceil(2.5 * half / spacing), math.ceil(2.5 * half / spacing) + 1)
    a, b = (part.ravel() for part in np.meshgrid(reach, reach))
    angle = rng.uniform(0.0, 2.0 * math.pi)
    x, y = (a + 0.5 * b) * spacing, math.sqrt(0.75) * b * spacing
    turned = np.column_stack(
        [math.cos(angle) * x - math.sin(angle) * y, math.sin(angle) * x + math.cos(angle) * y]
    )
    turned += rng.uniform(0.0, spacing, size=2)
    sites = turned[(np.abs(turned) < half).all(axis=1)] + 64.0
    jitter = rng.uniform(*_JITTERS)
    sites += jitter * spacing * rng.standard_normal(sites.shape)
    mosaic = Mosaic(
        tessellate(sites, np.zeros(len(sites))),
        np.arange(len(sites)),
        MosaicShape(scene.mosaic.shape.cell_area, jitter, 0.0),
    )
    raster = rasterise(mosaic)
    looks = rng.standard_normal((len(sites), 2)).astype(np.float32)
    return dataclasses.replace(scene, mosaic=mosaic, raster=raster, looks=looks[raster.owner])


def main(
    *,
    sources: Annotated[Path, typer.Option(help="TOML file of the images the generator was trained with.")],
    checkpoint: Annotated[Path, typer.Option(help="A labelled checkpoint.")],
    route: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=CHECKPOINT",
            help="Another labelled checkpoint, whole; may be given several times.",
        ),
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(help="Leave out all variants but this; may be given several times.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1)] = 3,
    output: Annotated[
        Path, typer.Option(help="Results; that of `endotwin-training trial` may be used.")
    ] = Path("out/trial"),
) -> None:
    """Train the trial's segmenter on images of a checkpoint with one part taken away at a time.

    Checkpoints that were trained in other ways join the comparison as routes.
    """
    restart_with(MEMORY)
    sampler = Sampler(load_checkpoint(checkpoint))
    latent = labelled_generator(sampler.checkpoint).architecture.latent
    variants = {
        "everything": (sampler, with_everything),
        "one-style": (sampler, with_one_style(latent)),
        "jittered-hexagons": (sampler, with_jittered_hexagons),
    }
    for given in route or ():
        name, _, path = given.partition("=")
        variants[name] = Sampler(load_checkpoint(Path(path))), with_everything
    unknown = sorted(set(only or ()) - variants.keys())
    if unknown:
        raise typer.BadParameter(f"--only takes {', '.join(variants)}; got {', '.join(unknown)}")
    data = load_trial_data(read_sources(sources))
    chosen = [ablated_source(name, *variants[name]) for name in only or variants]
    arms = make_arms(data, ["synthetic"], chosen)
    report = run_trial(data, arms, TrialSettings(), output, seeds=range(seeds))
    assert report is not None
    typer.echo(markdown_report(report))


if __name__ == "__main__":
    typer.run(main)
