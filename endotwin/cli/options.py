"""Options that `endotwin generate` and `endotwin set` have in common. Imports nothing that takes long."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from endotwin.samples.labelling import LABELS

_Value = TypeVar("_Value")


def _condition(meaning: str) -> Any:
    return typer.Option(metavar="NUMBER|LOW:HIGH", help=meaning)


Labels = Annotated[str | None, typer.Option(help=f"One or more of {', '.join(LABELS)}, joined by commas.")]
Density = Annotated[str | None, _condition("Cells per mm², 500 to 4500.")]
Cv = Annotated[str | None, _condition("Coefficient of variation of the cells' areas, 0.15 to 0.60.")]
Clarity = Annotated[
    str | None, _condition("Grey levels by which borders are darker than the inside of cells, 2 to 40.")
]
Hexagonality = Annotated[str | None, _condition("Share of cells with six neighbours, 0.25 to 0.85.")]
Guttae = Annotated[str | None, _condition("Share of the image under guttae, 0 to 0.4.")]
Age = Annotated[str | None, _condition("Years, 5 to 105: the rest follows published norms.")]
PixelSize = Annotated[
    str | None, typer.Option(help="Side of a pixel in micrometres, 0.3 to 3. Default: 0.9.")
]
Appearance = Annotated[
    str | None,
    typer.Option(
        metavar="INTEGER", help="Which look of the same mosaics and labels, 0 to 999. Default: 0."
    ),
]
Size = Annotated[
    str | None,
    typer.Option(
        metavar="WIDTHxHEIGHT", help="Of the images in pixels, 128 to 1024 each. Default: 128x128."
    ),
]
ExpertHand = Annotated[
    bool,
    typer.Option(
        "--expert-hand",
        help="To train a segmenter on: borders displaced as by an expert's hand, no guttae, and regular "
        "mosaics in every other image.",
    ),
]
ModelName = Annotated[
    str | None,
    typer.Option(help="A name from `endotwin models`. Default: the service's default, or a labelled one."),
]
CheckpointFile = Annotated[Path | None, typer.Option(help="A checkpoint file, instead of a model's name.")]
Device = Annotated[
    str | None,
    typer.Option(help="auto, cpu, cuda or cuda:INDEX. Default: ENDOTWIN_DEVICE, else auto."),
]

Force = Annotated[bool, typer.Option("--force", help="Replace the output if it is there already.")]


def given(**values: _Value | None) -> dict[str, _Value]:
    """Return the options that were given, by name."""
    return {name: value for name, value in values.items() if value is not None}


def check_one_model(model: str | None, checkpoint: Path | None) -> None:
    """Check that the model is named in one way at most.

    Raises:
        typer.BadParameter: it is named in two.
    """
    if model is not None and checkpoint is not None:
        raise typer.BadParameter("give --model or --checkpoint, not both")
