"""`endotwin generate`: images to a file or folder, without a server."""

from __future__ import annotations

import secrets
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from endotwin.cli.interruption import noted_signals
from endotwin.cli.making import making_images, say_model, say_rate
from endotwin.cli.options import (
    Age,
    Appearance,
    CheckpointFile,
    Clarity,
    Cv,
    Density,
    Device,
    ExpertHand,
    Force,
    Guttae,
    Hexagonality,
    Labels,
    ModelName,
    PixelSize,
    Size,
    check_one_model,
    given,
)
from endotwin.cli.remote import KeyFile, Url, connected, download, require_without_url
from endotwin.samples.formats import FORMATS
from endotwin.samples.labelling import Labelling
from endotwin.samples.layouts.writing import LAYOUTS
from endotwin.samples.npz import NPZ_SUFFIX

_FROM_A_SERVICE = ("folder", "tar", "npy")


class FormatName(StrEnum):
    """What `endotwin generate` writes."""

    FOLDER = "folder"
    TAR = "tar"
    ZIP = "zip"
    NPY = "npy"
    NPZ = "npz"


class LayoutName(StrEnum):
    """Folders for the software of segmentation teams."""

    NNUNET = "nnunet"
    MASKS = "masks"
    IMAGEFOLDER = "imagefolder"
    COCO = "coco"
    YOLO_SEG = "yolo-seg"
    CELLPOSE = "cellpose"


def generate_command(
    *,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder or file to write.")],
    n: Annotated[int, typer.Option("--n", "-n", min=1, help="Number of images.")] = 1,
    seed: Annotated[
        int | None,
        typer.Option(min=0, help="Below 2**64; the same seed gives the same images. Default: random."),
    ] = None,
    start: Annotated[int, typer.Option(min=0, help="Index of the first image.")] = 0,
    kind: Annotated[
        FormatName | None,
        typer.Option("--format", help="Default: what the output's suffix says, else folder."),
    ] = None,
    layout: Annotated[
        LayoutName | None,
        typer.Option(help="Instead of a format: a labelled folder that other software loads as it is."),
    ] = None,
    validation_every: Annotated[
        int | None,
        typer.Option(min=2, help="Of a layout: of so many indices, the last is a validation image."),
    ] = None,
    labels: Labels = None,
    density: Density = None,
    cv: Cv = None,
    hexagonality: Hexagonality = None,
    clarity: Clarity = None,
    guttae: Guttae = None,
    age: Age = None,
    pixel_size: PixelSize = None,
    appearance: Appearance = None,
    size: Size = None,
    expert_hand: ExpertHand = False,
    model: ModelName = None,
    checkpoint: CheckpointFile = None,
    device: Device = None,
    force: Force = False,
    url: Url = None,
    key_file: KeyFile = None,
) -> None:
    """Generate images to a folder, tar, zip, npy or npz file, without a server.

    An archive is byte for byte the one that the service streams; a folder holds the files of the tar. The
    output appears when it is complete: Ctrl-C or an error leaves nothing behind. With labels or conditions
    a model is chosen that has them; a condition is a number or a range LOW:HIGH.

    \b
    Examples:
      endotwin generate --n 500 --seed 7 -o images
      endotwin generate --n 500 --seed 7 -o images.tar
      endotwin generate --n 100 --seed 7 --start 500 -o more.npy
      endotwin generate --n 16 --checkpoint mine.safetensors -o sample.zip
      endotwin generate --n 500 --seed 7 --labels borders,instances --density 1500:2500 -o labelled
      endotwin generate --n 500 --seed 7 --layout nnunet -o nnUNet_raw/Dataset501_Endotwin
      endotwin generate --n 500 --seed 7 --url https://endotwin.example -o images.tar
    """
    check_one_model(model, checkpoint)
    if layout is not None and kind is not None:
        raise typer.BadParameter("give --layout or --format, not both")
    if layout is not None and force:
        raise typer.BadParameter("--force replaces no layout; give the name of a new folder")
    if layout is None and validation_every is not None:
        raise typer.BadParameter("--validation-every takes a --layout")

    conditions = given(
        density=density,
        cv=cv,
        hexagonality=hexagonality,
        clarity=clarity,
        guttae=guttae,
        age=age,
        pixel_size=pixel_size,
        appearance=appearance,
        size=size,
        expert_hand="true" if expert_hand else None,
    )
    chosen_seed = secrets.randbits(64) if seed is None else seed
    if url is not None:
        require_without_url({"layout": layout, "checkpoint": checkpoint, "device": device})
        if (kind or _format_of(output)) not in _FROM_A_SERVICE or (kind and kind != _format_of(output)):
            raise typer.BadParameter("with --url the output is a folder, NAME.tar or NAME.npy")
        with noted_signals() as stop_if_asked, connected(url, key_file) as client:
            from endotwin.image_range import ImageRange  # noqa: PLC0415

            download(
                client,
                ImageRange(chosen_seed, start, n),
                output,
                labels=labels,
                conditions=conditions,
                model=model,
                replace=force,
                stop_if_asked=stop_if_asked,
            )
        typer.echo(f"{n} images of seed {chosen_seed}, from index {start} on, of {url}, in {output}")
        return

    with making_images() as stop_if_asked:
        from endotwin.image_range import ImageRange  # noqa: PLC0415
        from endotwin.samples.conditions import parse_labelling  # noqa: PLC0415
        from endotwin.samples.model_options import ModelOptions  # noqa: PLC0415
        from endotwin.samples.write import generate  # noqa: PLC0415

        labelling = parse_labelling(labels, conditions)
        if layout is not None:
            chosen = LAYOUTS[layout].choose_labels(labelling.labels)
            labelling = Labelling(chosen, labelling.conditions)
        generated = generate(
            ImageRange(chosen_seed, start, n),
            labelling,
            ModelOptions(model, checkpoint, device),
            kind=layout or kind or _format_of(output),
            output=output,
            replace=force,
            validation_every=validation_every,
            stop_if_asked=stop_if_asked,
        )
    typer.echo(f"{n} images of seed {chosen_seed}, from index {start} on, in {output}")
    say_model(generated.checkpoint.card)
    say_rate(n, generated.seconds, generated.device)


def _format_of(output: Path) -> str:
    """Choose the format of an output by its suffix."""
    suffixes = {kind: archive.suffix for kind, archive in FORMATS.items()} | {"npz": NPZ_SUFFIX}
    return next((kind for kind, suffix in suffixes.items() if output.suffix == suffix), "folder")
