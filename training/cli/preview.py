"""`endotwin-training preview`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from training.cli.options import DeviceName, chosen_device

if TYPE_CHECKING:  # torch takes seconds to import, and no help text needs it
    from endotwin.generator.checkpoint import Checkpoint

EPILOG = "Example:  endotwin-training preview mine.safetensors -o sheet.png"


def preview_command(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="CHECKPOINT-or-RUN", help="A checkpoint file, or a run folder as it stands."
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The PNG to write.")],
    device: DeviceName = "auto",
    force: Annotated[
        bool, typer.Option("--force", help="Replace the output if it is there already.")
    ] = False,
) -> None:
    """Draw sixteen generated images, with their labels below them, at any time of a training.

    Of a run, what was saved last is drawn; a run that is going on is not disturbed.
    """
    from endotwin.files import new_file
    from training.adapt.sheet import draw_sheet, first_batch

    batch = first_batch(_checkpoint(source), chosen_device(device))
    drawn = draw_sheet(batch)
    with new_file(output, replace=force) as file:
        drawn.save(file, "PNG")
    typer.echo(f"{output}: {'images and their labels' if batch.scenes else 'images'} of {source}")


def _checkpoint(source: Path) -> Checkpoint:
    from endotwin.generator.checkpoint import load_checkpoint
    from training.learning.run_folder import RunFolder
    from training.learning.saved_run import checkpoint_of_run

    if not source.is_dir():
        return load_checkpoint(source, require_fid=False)
    runs = sorted((source / "runs").glob("*/state.pt"), key=lambda path: path.stat().st_mtime)
    return checkpoint_of_run(RunFolder(runs[-1].parent if runs else source))
