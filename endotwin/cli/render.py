"""`endotwin render`: images of masks that other tools made, without a server."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from endotwin.cli.command_line import saying
from endotwin.cli.making import making_images, say_model, say_rate
from endotwin.cli.options import (
    CheckpointFile,
    Clarity,
    Device,
    ModelName,
    PixelSize,
    check_one_model,
    given,
)

_MOST_LOOKS = 1000


class ColourName(StrEnum):
    """Which colour borders have in masks."""

    AUTO = "auto"
    WHITE = "white"
    BLACK = "black"


def render(
    *,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write, or to go on with.")],
    borders: Annotated[
        Path | None, typer.Option(help="Folder of masks of borders, or one: PNG or TIFF, two grey levels.")
    ] = None,
    instances: Annotated[
        Path | None,
        typer.Option(help="Folder of instance maps, or one: the number of a cell at each of its pixels."),
    ] = None,
    border_colour: Annotated[
        ColourName, typer.Option(help="Colour of borders in the masks of --borders.")
    ] = ColourName.AUTO,
    appearances: Annotated[
        int, typer.Option(min=1, max=_MOST_LOOKS, help="Looks of each mask, appearances 0 on.")
    ] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Below 2**64: another one has other looks.")] = 0,
    instrument: Annotated[
        str | None,
        typer.Option(help="Of the model: all images are drawn like it. Default: each look draws one."),
    ] = None,
    clarity: Clarity = None,
    pixel_size: PixelSize = None,
    model: ModelName = None,
    checkpoint: CheckpointFile = None,
    device: Device = None,
) -> None:
    """Render your own masks: images in the look of a checkpoint, in which borders are where the masks say.

    Masks have 128 x 128 pixels and come from any tool. OUT gets images/NAME-LOOK.png, masks/ and instances/
    with what was rendered, and parameters.csv: the layout masks, that `endotwin sheet` draws. An image
    follows from checkpoint, cells of the mask, seed and look alone. Stopped at any moment, or with more
    masks or looks, the same command goes on: what is there stays.

    \b
    Examples:
      endotwin render --borders my-borders -o rendered
      endotwin render --borders my-borders --appearances 4 --checkpoint mine.safetensors -o rendered
      endotwin render --instances cellpose-masks --clarity 5:25 -o rendered
      endotwin sheet rendered --labels borders -o sheet.png
    """
    check_one_model(model, checkpoint)
    place = instances if borders is None else borders
    if place is None or (borders is not None and instances is not None):
        raise typer.BadParameter("give --borders or --instances, the folder of your masks")
    if borders is None and border_colour is not ColourName.AUTO:
        raise typer.BadParameter("--border-colour goes with --borders")
    with making_images() as stop_if_asked:
        from endotwin.mosaic.own_masks import BorderColour  # noqa: PLC0415
        from endotwin.samples.conditions import parse_labelling  # noqa: PLC0415
        from endotwin.samples.mask_files import MaskKind, find_masks  # noqa: PLC0415
        from endotwin.samples.model_options import ModelOptions  # noqa: PLC0415
        from endotwin.samples.render import render_masks  # noqa: PLC0415

        labelling = parse_labelling(None, given(clarity=clarity, pixel_size=pixel_size))
        kind = MaskKind.INSTANCES if borders is None else MaskKind.BORDERS
        with saying(f"reading the masks of {place}"):
            masks = find_masks(place, kind, BorderColour(border_colour), stop_if_asked)
        outcome = render_masks(
            masks,
            output,
            ModelOptions(model, checkpoint, device),
            appearances=appearances,
            seed=seed,
            labelling=labelling,
            instrument=instrument,
            stop_if_asked=stop_if_asked,
        )
    if outcome.unusual:
        others = f" and {len(outcome.unusual) - 1} others" if len(outcome.unusual) > 1 else ""
        typer.echo(
            f"Warning: {outcome.unusual[0]}{others}: the mean cell has fewer than 200 or more than 3,200 "
            "pixels, and models learn from cells between these",
            err=True,
        )
    typer.echo(f"{outcome.made} images of {len(masks)} masks, now {outcome.there} images in {output}")
    say_model(outcome.checkpoint.card)
    if outcome.made:
        say_rate(outcome.made, outcome.seconds, outcome.device)
