"""`endotwin sheet` and `endotwin models`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from endotwin.cli.command_line import reported, saying, usage_error
from endotwin.cli.options import Force
from endotwin.cli.remote import KeyFile, Url, connected, list_models
from endotwin.files import OutputError, new_file
from endotwin.samples.labelling import IMAGE_LABELS, LabellingError, parse_labels
from endotwin.samples.sheet import ContactSheetError, draw_contact_sheet, draw_pictures, read_pictures


def sheet(
    images: Annotated[
        Path,
        typer.Argument(help="Tar, zip, npy or npz file, folder of images, set, or folder of any layout."),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="PNG file to write.")],
    n: Annotated[int, typer.Option("--n", "-n", min=1, max=10_000, help="Most images to draw.")] = 500,
    labels: Annotated[
        str | None,
        typer.Option(help=f"Labels to draw over the images: {', '.join(IMAGE_LABELS)}, joined by commas."),
    ] = None,
    force: Force = False,
) -> None:
    """Draw a contact sheet: the first images of a set on one, with labels over them if wanted.

    It reads everything that Endotwin writes: files and folders of `generate`, sets, layouts. Cells are
    tinted, each in a colour of its own; guttae are blue, soft borders orange, borders red; what is not
    visible is dimmed.

    \b
    Examples:
      endotwin sheet images -o sheet.png
      endotwin sheet images.tar -n 100 -o sheet.png
      endotwin sheet labelled.tar --labels borders,instances -n 20 -o sheet.png
    """
    try:
        wanted = () if labels is None else parse_labels(labels, IMAGE_LABELS)
    except LabellingError as error:
        raise usage_error(error) from error
    with reported(ContactSheetError, OutputError, OSError):
        with saying(f"reading {images}"):
            pictures = read_pictures(images, limit=n)
            drawn = draw_pictures(images, pictures, wanted)
        try:
            picture = draw_contact_sheet(drawn)
        except ValueError as error:
            raise ContactSheetError(f"{images}: {error}") from error
        with new_file(output, replace=force) as file:
            picture.save(file, "PNG")
    there = ", ".join(name for name in IMAGE_LABELS if name in pictures[0].labels)
    hint = f"; --labels draws {there}" if there and not wanted else ""
    typer.echo(f"{len(drawn)} images on {output}{hint}")


def models(url: Url = None, key_file: KeyFile = None) -> None:
    """List the models that are here, or those of a service, with their recorded FID and terms of use.

    They are the checkpoints of the folder `checkpoints` in the repository, or of ENDOTWIN_CHECKPOINT_DIR.

    \b
    Examples:
      endotwin models
      endotwin models --url https://endotwin.example
    """
    if url is not None:
        with connected(url, key_file) as client:
            typer.echo("\n".join(list_models(client)))
        return

    with saying("loading torch"):
        from endotwin.catalogue import choose_default, load_checkpoints, population_of  # noqa: PLC0415
        from endotwin.generator.card_file import CheckpointError  # noqa: PLC0415
        from endotwin.settings import SettingsError, load_settings  # noqa: PLC0415

    with reported(SettingsError, CheckpointError), saying("loading the models"):
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
