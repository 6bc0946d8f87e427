"""`endotwin-training adapt`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from training.adapt.request import HOURS, AdaptError, AdaptRequest, GivenValues, Terms
from training.cli.options import (
    DeviceName,
    InceptionFile,
    UsageError,
    chosen_device,
    require_checkpoint_name,
)

EPILOG = (
    "Examples:  endotwin-training adapt scans/ -o mine.safetensors --dry-run  |  "
    'endotwin-training adapt scans/ -o mine.safetensors --hours 0.5 --modality "confocal microscopy"'
)


def adapt_command(
    images: Annotated[Path, typer.Argument(help="Folder of your images; only read.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The checkpoint to make: NAME.safetensors.")
    ],
    hours: Annotated[float, typer.Option(help="Hours of training, over all sessions.")] = HOURS,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Only say what is found, what would be done and how long it takes."),
    ] = False,
    device: DeviceName = "auto",
    no_score: Annotated[
        bool, typer.Option("--no-score", help="Record no FID: the checkpoint stays marked as unscored.")
    ] = False,
    cell_area: Annotated[
        float | None, typer.Option(help="Mean area of a cell in square pixels. Default: measured.")
    ] = None,
    cv: Annotated[
        float | None, typer.Option(help="Coefficient of variation of the cells' areas. Default: measured.")
    ] = None,
    hexagonality: Annotated[
        float | None, typer.Option(help="Share of cells with six neighbours. Default: measured.")
    ] = None,
    guttae: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Share of the images that show guttae. Default: measured."),
    ] = None,
    scale: Annotated[
        float | None,
        typer.Option(help="Resize the images by this. Default: 1 unless cells are tiny or huge."),
    ] = None,
    pixel_size: Annotated[
        float | None, typer.Option(help="Micrometres per pixel of your images, for densities.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the checkpoint; default: the output's.")] = None,
    modality: Annotated[str, typer.Option(help="Such as confocal microscopy.")] = Terms.modality,
    terms: Annotated[str, typer.Option(help="Terms of use of your images.")] = Terms.terms,
    citation: Annotated[str, typer.Option(help="Where your images come from.")] = Terms.citation,
    together: Annotated[
        str | None,
        typer.Option(
            "--keep-together",
            help="What images of one patient have in common: folder, or so many consecutive numbers in "
            "file names.",
        ),
    ] = None,
    start_from: Annotated[
        Path | None, typer.Option(help="Labelled checkpoint to start from; default: the one that ships.")
    ] = None,
    inception: InceptionFile = None,
) -> None:
    """Make a labelled checkpoint in the style of your own images (docs/your-microscope.md).

    Nobody has to annotate anything: cells are measured on the images. What takes time is kept in
    NAME.private beside the output, which holds real images; the same command goes on after Ctrl-C, a crash
    or a power cut. Look at NAME.private/sheet.png while it trains.
    """
    from training.adapt.run import adapt

    if not 0 < hours < math.inf:
        raise UsageError(f"--hours: a number above 0, got {hours:g}")
    if cell_area is not None and not 0 < cell_area < math.inf:
        raise UsageError(f"--cell-area: a number above 0, got {cell_area:g}")
    request = AdaptRequest(
        images=images,
        output=output,
        name=require_checkpoint_name(name or output.stem),
        start=start_from or _shipped(),
        hours=hours,
        device=chosen_device(device),
        score=not no_score,
        together=together,
        terms=Terms(modality, terms, citation),
        given=GivenValues(cell_area, cv, hexagonality, guttae, scale, pixel_size),
        inception=inception,
    )
    try:
        adapt(request, typer.echo, dry_run=dry_run)
    except KeyboardInterrupt:
        typer.echo("Stopped. The same command goes on from here", err=True)
        raise typer.Exit(130) from None


def _shipped() -> Path:
    """Return the labelled checkpoint that ships, or the first labelled one of ENDOTWIN_CHECKPOINT_DIR."""
    from endotwin.checkpoint_files import checkpoint_paths
    from endotwin.generator.checkpoint import read_card
    from endotwin.generator.labelled import LabelledArchitecture
    from endotwin.settings import load_settings

    folder = load_settings().checkpoint_dir
    labelled = [
        path
        for path in checkpoint_paths(folder)
        if isinstance(read_card(path).architecture, LabelledArchitecture)
    ]
    if not labelled:
        raise AdaptError(f"no labelled checkpoint in {folder} to start from; name one with --start-from")
    return next((path for path in labelled if path.stem == "labelled"), labelled[0])
