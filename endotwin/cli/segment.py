"""`endotwin segment`: borders and cells of a user's own images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from endotwin.cli.command_line import reported, saying
from endotwin.cli.interruption import noted_signals
from endotwin.files import OutputError, new_folder

if TYPE_CHECKING:
    from endotwin.segmentation.segmentation import Segmentation


def segment_command(
    images: Annotated[
        list[Path], typer.Argument(help="Images (PNG, TIFF, JPEG, BMP, …), or folders of images.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write.")],
    pixel_size: Annotated[
        float | None,
        typer.Option(min=0.01, max=100.0, help="Side of a pixel in micrometres: no density without."),
    ] = None,
    scale: Annotated[
        float | None,
        typer.Option(
            min=0.05,
            max=8.0,
            help="Size at which the network is shown the images; 1: as they are. Default: found for each.",
        ),
    ] = None,
    segmenter: Annotated[
        Path | None,
        typer.Option(help="File of `endotwin-training segmenter`, instead of the one that ships."),
    ] = None,
) -> None:
    """Find the cells of real images: borders, density, CV, hexagonality. For research, not for diagnosis.

    A small network trained on synthetic images only; how good it was on real ones is said first. For each
    image NAME.borders.png, NAME.instances.png (16 bit, the number of each pixel's cell) and
    NAME.overlay.png; a line of images.csv, and a line of cells.csv for each cell. Images of any size; the
    size of the cells is found. Look at the overlays before you use a number.

    \b
    Examples:
      endotwin segment images/ -o found
      endotwin segment left.png right.tif --pixel-size 0.9 -o found
      endotwin segment scans/ --segmenter mine.safetensors -o found
    """
    with saying("loading torch"):
        from endotwin.generator.card_file import CheckpointError  # noqa: PLC0415
        from endotwin.image_reading import DataError  # noqa: PLC0415
        from endotwin.segmentation.reading import found_images, read_image  # noqa: PLC0415
        from endotwin.segmentation.result_files import ResultFolder  # noqa: PLC0415
        from endotwin.segmentation.segmenter import SHIPPED, load_segmenter  # noqa: PLC0415

    with reported(CheckpointError, DataError, OutputError, OSError), noted_signals() as stop_if_asked:
        loaded = load_segmenter(segmenter or SHIPPED)
        files = found_images(images)
        typer.echo("\n".join(loaded.card.notice()), err=True)
        unread = 0
        with new_folder(output) as folder, ResultFolder(folder) as results:
            for path in files:
                stop_if_asked()
                try:
                    image, notes = read_image(path)
                    with saying(f"segmenting {path.name}"):
                        found = loaded.segment(image, pixel_size=pixel_size, scale=scale, notes=notes)
                        results.add(path.name, path.stem, found)
                except DataError as error:
                    unread += 1
                    reason = str(error).removeprefix(f"{path}: ")
                    typer.echo(f"Error: {path}: {reason}", err=True)
                    results.add_unread(path.name, reason)
                else:
                    typer.echo("\n".join(_lines(path.name, found)))
            if unread == len(files):
                raise DataError("no image could be read: nothing was written")
    typer.echo(f"{len(files) - unread} images in {output}: look at the overlays")
    if unread:
        raise typer.Exit(1)


def _lines(name: str, found: Segmentation) -> Sequence[str]:
    measured = found.morphometry
    numbers = [f"{measured.count} cells"]
    if found.density is not None:
        numbers.append(f"ECD {found.density:.0f}/mm²")
    elif measured.mean_area is not None:
        numbers.append(f"mean area {measured.mean_area:.0f} px")
    if measured.cv is not None:
        numbers.append(f"CV {measured.cv:.2f}")
    if measured.hexagonality is not None:
        numbers.append(f"HEX {measured.hexagonality:.0%}")
    numbers.append(f"in {found.evaluated:.0%} of the image")
    return [f"{name}: {', '.join(numbers)}", *(f"  warning: {each}" for each in found.warnings)]
