"""`endotwin sheet` and `endotwin models`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from endotwin.cli.options import Force, reported
from endotwin.files import OutputError, new_file
from endotwin.samples.sheet import ContactSheetError, draw_contact_sheet, read_images


def sheet(
    images: Annotated[Path, typer.Argument(help="Folder of PNG files, or a tar, zip, npy or npz file.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="PNG file to write.")],
    n: Annotated[int, typer.Option("--n", "-n", min=1, max=10_000, help="Most images to draw.")] = 500,
    force: Force = False,
) -> None:
    """Draw a contact sheet: the first images of a set on one.

    \b
    Examples:
      endotwin sheet images -o sheet.png
      endotwin sheet images.tar -n 100 -o sheet.png
    """
    with reported(ContactSheetError, OutputError, OSError):
        drawn = read_images(images, limit=n)
        try:
            picture = draw_contact_sheet(drawn)
        except ValueError as error:
            raise ContactSheetError(f"{images}: {error}") from error
        with new_file(output, replace=force) as file:
            picture.save(file, "PNG")
    typer.echo(f"{len(drawn)} images on {output}")


def models() -> None:
    """List the models that are here, with their recorded FID and terms of use.

    They are the checkpoints of the folder `checkpoints` in the repository, or of ENDOTWIN_CHECKPOINT_DIR.

    \b
    Example:
      endotwin models
    """
    from endotwin.catalogue import choose_default, load_checkpoints, population_of  # noqa: PLC0415
    from endotwin.generator.checkpoint import CheckpointError  # noqa: PLC0415
    from endotwin.settings import SettingsError, load_settings  # noqa: PLC0415

    with reported(SettingsError, CheckpointError):
        settings = load_settings()
        checkpoints = load_checkpoints(settings.checkpoint_dir, allow_unscored=settings.allow_unscored)
        default = choose_default(checkpoints, settings.default_model)
    width = max(map(len, checkpoints))
    for name, checkpoint in sorted(checkpoints.items()):
        card = checkpoint.card
        fid = "none" if card.fid is None else f"{card.fid.generated_training.fid:.2f}"
        traits = {
            "default": name == default,
            "labels": population_of(card) is not None,
            "unscored": card.fid is None,
        }
        marks = ", ".join(trait for trait, present in traits.items() if present)
        typer.echo(f"{name:{width}}  FID {fid:>6}  {card.data.terms}{f' ({marks})' if marks else ''}")
