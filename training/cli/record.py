"""`endotwin-training record`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from training.cli.options import (
    DataFolders,
    DeviceName,
    InceptionFile,
    SourcesFile,
    UsageError,
    chosen_device,
    given_sources,
    load_images,
)
from training.scores.request import COUNT

if TYPE_CHECKING:  # torch takes seconds to import, and no help text needs it
    from endotwin.generator.checkpoint import Checkpoint
    from training.learning.trainer import Trainer

EPILOG = "Example:  endotwin-training record runs/compact-… --sources S -o checkpoints"


def record_command(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    data: DataFolders = None,
    sources: SourcesFile = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder of the checkpoint; default: the run folder."),
    ] = None,
    discriminators: Annotated[
        Path | None,
        typer.Option(help="Folder for NAME.safetensors with the discriminators; train takes them with it."),
    ] = None,
    count: Annotated[int, typer.Option(help="Images on each side of the scores.")] = COUNT,
    device: DeviceName = "auto",
    inception: InceptionFile = None,
    max_upscale: Annotated[float, typer.Option(help="As it was for `train`.")] = 1.0,
    validation_share: Annotated[float, typer.Option(help="As it was for `train`.")] = 0.2,
) -> None:
    """Make a checkpoint, with its recorded FID, of a run as it stands (give the images as for `train`)."""
    from training.learning.discriminator_file import write_discriminators
    from training.learning.run_folder import RunError, RunFolder
    from training.learning.trainer import Trainer

    if discriminators is not None and discriminators.resolve() == (output or run).resolve():
        raise UsageError(f"--discriminators {discriminators}: a folder other than that of the checkpoint")
    folder = RunFolder(run)
    settings = folder.read_settings()
    dataset = load_images(given_sources(data, sources, max_upscale, validation_share))
    expected = RunFolder.name_of(settings, dataset.digest)
    if run.resolve().name != expected:
        raise RunError(
            f"{run}: these are not the images it was trained on: with them its folder would be {expected}"
        )
    trainer = Trainer(settings, dataset, folder, chosen_device(device))
    if trainer.images == 0:
        raise RunError(f"{run}: nothing was trained yet")
    checkpoint = record_run(trainer, output or run, count, inception)
    if discriminators is not None:
        path = discriminators / checkpoint.path.name
        write_discriminators(path, trainer.recipe.state_dict(), checkpoint)
        typer.echo(f"{path}: its discriminators")


def record_run(trainer: Trainer, destination: Path, count: int, inception: Path | None) -> Checkpoint:
    """Score a run, write its checkpoint into a folder, draw its figures, and print the score."""
    from endotwin.generator.checkpoint import Checkpoint
    from training.learning.recording import make_card, record
    from training.scores.duration import in_words, scoring_seconds
    from training.scores.figures import draw_run_figures

    folder = trainer.folder
    unscored = Checkpoint(trainer.average, make_card(trainer), destination)
    seconds = scoring_seconds(
        unscored, trainer.dataset, count=count, device=trainer.device, inception=inception
    )
    typer.echo(f"Scoring {count} against {count} images: about {in_words(seconds)} on {trainer.device}")
    draw_run_figures(folder.path, folder.read_statistics())
    recorded = record(trainer, destination, count=count, inception=inception)
    draw_run_figures(folder.path, folder.read_statistics(), recorded.fid)
    typer.echo(
        f"{recorded.checkpoint.path}: FID {recorded.fid.generated_training.fid:.2f} at {count} against "
        f"{count} (real against real {recorded.fid.real_real.fid:.2f})"
    )
    return recorded.checkpoint
