"""`endotwin-training card`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

EPILOG = "Example:  endotwin-training card checkpoints/compact.safetensors"


def card_command(checkpoint: Annotated[Path, typer.Argument(help="A checkpoint file.")]) -> None:
    """Print a checkpoint's card as JSON."""
    from endotwin.generator.checkpoint import read_card

    typer.echo(read_card(checkpoint).model_dump_json(indent=2))
