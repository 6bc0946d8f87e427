"""The `endotwin` command line: generate images without a server, look at them, serve them."""

from __future__ import annotations

import os
import secrets
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from endotwin.cli.interruption import noted_signals
from endotwin.cli.options import (
    Age,
    CheckpointFile,
    Cv,
    Density,
    Device,
    Guttae,
    Hexagonality,
    Labels,
    ModelName,
    PixelSize,
    check_one_model,
    given,
)
from endotwin.cli.set_options import set_app
from endotwin.files import OutputError, new_file
from endotwin.process_environment import GENERATING, enter
from endotwin.samples.formats import FORMATS
from endotwin.samples.labelling import Labelling, LabellingError
from endotwin.samples.layouts.writing import LAYOUTS
from endotwin.samples.npz import SUFFIX
from endotwin.samples.sheet import ContactSheetError, draw_contact_sheet, read_images

# Torch takes seconds to import: what needs it is imported by the commands, and `serve` does without.

app = typer.Typer(
    help="Synthetic specular-microscopy images of the human corneal endothelium, by seed.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

_SHUTDOWN_SECONDS = 5
"""How long a stopped server lets open streams go on. Its processes need two or three seconds more to end,
and `docker stop` kills after ten."""

_CHECKPOINT_DIR = "ENDOTWIN_CHECKPOINT_DIR"

_ROOT = Path(__file__).resolve().parents[2]


class Format(StrEnum):
    """What `endotwin generate` writes."""

    FOLDER = "folder"
    TAR = "tar"
    ZIP = "zip"
    NPY = "npy"
    NPZ = "npz"


class Layout(StrEnum):
    """Folders for the software of segmentation teams."""

    NNUNET = "nnunet"
    MASKS = "masks"
    IMAGEFOLDER = "imagefolder"


Force = Annotated[bool, typer.Option("--force", help="Replace the output if it is there already.")]


@app.command(name="generate")
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
        Format | None,
        typer.Option("--format", help="Default: what the output's suffix says, else folder."),
    ] = None,
    layout: Annotated[
        Layout | None,
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
    guttae: Guttae = None,
    age: Age = None,
    pixel_size: PixelSize = None,
    model: ModelName = None,
    checkpoint: CheckpointFile = None,
    device: Device = None,
    force: Force = False,
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
    """
    check_one_model(model, checkpoint)
    if layout is not None and kind is not None:
        raise typer.BadParameter("give --layout or --format, not both")
    if layout is not None and force:
        raise typer.BadParameter("--force replaces no layout; give the name of a new folder")
    if layout is None and validation_every is not None:
        raise typer.BadParameter("--validation-every takes a --layout")

    conditions = given(
        density=density, cv=cv, hexagonality=hexagonality, guttae=guttae, age=age, pixel_size=pixel_size
    )
    with noted_signals() as stop_if_asked:
        from endotwin.catalogue import OrderError  # noqa: PLC0415
        from endotwin.cli.generation import FAILURES, generate  # noqa: PLC0415
        from endotwin.image_range import ImageRange, ImageRangeError  # noqa: PLC0415
        from endotwin.samples.conditions import parse_labelling  # noqa: PLC0415

        with _reported(*FAILURES):
            try:
                labelling = parse_labelling(labels, conditions)
                if layout is not None:
                    chosen = LAYOUTS[layout].choose_labels(labelling.labels)
                    labelling = Labelling(chosen, labelling.conditions)
                images = ImageRange(secrets.randbits(64) if seed is None else seed, start, n)
                generated = generate(
                    images,
                    labelling,
                    kind=layout or kind or _format_of(output),
                    output=output,
                    replace=force,
                    validation_every=validation_every,
                    model=model,
                    checkpoint_path=checkpoint,
                    device=device,
                    stop_if_asked=stop_if_asked,
                )
            except (OrderError, ImageRangeError, LabellingError) as error:
                raise typer.BadParameter(str(error)) from error
    card = generated.checkpoint.card
    fid = "not recorded" if card.fid is None else f"{card.fid.generated_training.fid:.2f}"
    typer.echo(f"{n} images of seed {images.seed}, from index {start} on, in {output}")
    typer.echo(f"model {card.name}, recorded FID {fid}, terms: {card.data.terms}")
    typer.echo(f"{n / generated.seconds:.1f} images/s on {generated.device}")


app.add_typer(set_app, name="set")


@app.command()
def sheet(
    images: Annotated[Path, typer.Argument(help="Folder of PNG files, or a tar, zip, npy or npz file.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="PNG file to write.")],
    n: Annotated[int, typer.Option("--n", "-n", min=1, max=10_000, help="Most images to draw.")] = 500,
    force: Force = False,
) -> None:
    """Draw a contact sheet: the first images of a set on one, to look at.

    \b
    Examples:
      endotwin sheet images -o sheet.png
      endotwin sheet images.tar -n 100 -o sheet.png
    """
    with _reported(ContactSheetError, OutputError, OSError):
        drawn = read_images(images, limit=n)
        try:
            picture = draw_contact_sheet(drawn)
        except ValueError as error:
            raise ContactSheetError(f"{images}: {error}") from error
        with new_file(output, replace=force) as file:
            picture.save(file, "PNG")
    typer.echo(f"{len(drawn)} images on {output}")


@app.command()
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

    with _reported(SettingsError, CheckpointError):
        settings = load_settings()
        checkpoints = load_checkpoints(settings.checkpoint_dir, allow_unscored=settings.allow_unscored)
        default = choose_default(checkpoints, settings.default_model)
    width = max(map(len, checkpoints))
    for name, checkpoint in sorted(checkpoints.items()):
        card = checkpoint.card
        fid = "none" if card.fid is None else f"{card.fid.generated_training.fid:.2f}"
        traits = {"default": name == default, "labels": population_of(card) is not None}
        marks = ", ".join(trait for trait, present in traits.items() if present)
        typer.echo(f"{name:{width}}  FID {fid:>6}  {card.data.terms}{f' ({marks})' if marks else ''}")


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for all.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 3000,
) -> None:
    """Serve images over HTTP: `bentoml serve` on this package, without telemetry.

    Settings are environment variables, ENDOTWIN_CHECKPOINT_DIR and others. Ctrl-C stops the server.

    \b
    Examples:
      endotwin serve
      curl -X POST "http://127.0.0.1:3000/generate?n=500&seed=7" -o images.tar
    """
    command = [sys.executable, "-m", "bentoml", "serve", "service:Service", "--working-dir", str(_ROOT)]
    command += ["--host", host, "--port", str(port), "--timeout-graceful-shutdown", str(_SHUTDOWN_SECONDS)]
    os.environ["BENTOML_DO_NOT_TRACK"] = "true"
    if folder := os.environ.get(_CHECKPOINT_DIR):
        os.environ[_CHECKPOINT_DIR] = str(Path(folder).resolve())  # the server runs in another folder
    os.execv(sys.executable, command)


def main() -> None:
    """Run the command line."""
    enter(GENERATING)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # cleans up as Ctrl-C does
    app()


def _format_of(output: Path) -> str:
    """Choose the format of an output by its suffix."""
    suffixes = {kind: archive.suffix for kind, archive in FORMATS.items()} | {"npz": SUFFIX}
    return next((kind for kind, suffix in suffixes.items() if output.suffix == suffix), "folder")


@contextmanager
def _reported(*failures: type[Exception]) -> Iterator[None]:
    """Turn an expected failure into one line on standard error and exit code 1."""
    try:
        yield
    except failures as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(1) from error


if __name__ == "__main__":
    main()
