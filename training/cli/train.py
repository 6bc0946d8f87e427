"""`endotwin-training train`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import ValidationError

from training.cli.options import (
    DataFolders,
    DeviceName,
    InceptionFile,
    SourcesFile,
    UsageError,
    chosen_device,
    given_sources,
    load_images,
    require_checkpoint_name,
    require_choice,
)
from training.learning.recipes.names import DEFAULT_RECIPES, RECIPE_NAMES
from training.scores.request import COUNT, RECORD_MINIMUM

if TYPE_CHECKING:  # torch takes seconds to import, and no help text needs it
    from endotwin.generator.checkpoint import Checkpoint
    from training.learning.saved_run import SavedRun
    from training.learning.settings import TrainingSettings

EPILOG = (
    "Examples:  endotwin-training train --data scans/  |  "
    "endotwin-training train --sources checkpoints/compact.toml --hours 8  |  "
    "torchrun --nproc-per-node 4 -m training train --data scans/ --preset paper --recipe paper"
)

RATE_OF_WARM_START = 0.25
"""Learning rate of a generator that starts from a checkpoint, over that of its discriminators."""

WAIT_OF_WARM_START = 3_200
"""Images that its discriminators see first."""


def train_command(
    data: DataFolders = None,
    sources: SourcesFile = None,
    preset: Annotated[str, typer.Option(help="Networks: paper, paper-512, compact, labelled.")] = "compact",
    recipe: Annotated[
        str | None,
        typer.Option(help=f"How to train: {', '.join(RECIPE_NAMES)}. Default: {DEFAULT_RECIPES}."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the checkpoint; default: the preset's.")] = None,
    start_from: Annotated[
        Path | None,
        typer.Option(
            help="Checkpoint whose weights a new run starts from; or a run: its discriminators go on, too."
        ),
    ] = None,
    discriminators: Annotated[
        Path | None,
        typer.Option(help="The discriminators of that checkpoint, which `record --discriminators` wrote."),
    ] = None,
    generator_waits: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Images for which the discriminator alone learns, at first. "
            f"Default: 0; from a checkpoint {WAIT_OF_WARM_START:,}.",
        ),
    ] = None,
    images: Annotated[
        int, typer.Option(help="Images to see in all, over every session of the run.")
    ] = 200_000,
    epochs: Annotated[float | None, typer.Option(help="The same in epochs; instead of --images.")] = None,
    hours: Annotated[float | None, typer.Option(help="End this session after so many hours.")] = None,
    batch: Annotated[int, typer.Option(help="Images per step.")] = 16,
    learning_rate: Annotated[float, typer.Option(help="Of the Adam optimisers.")] = 2e-4,
    generator_rate: Annotated[
        float | None,
        typer.Option(
            help="Learning rate of the generator, if another. "
            f"Default: --learning-rate; from a checkpoint {RATE_OF_WARM_START:g} of it."
        ),
    ] = None,
    augmentation: Annotated[
        float | None,
        typer.Option(
            help="Share of the images, 0 to 0.8, that discriminators see turned, zoomed, or with a hole; "
            "some when they have memorised the images. Default: 0."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of weights, crops, latents and augmentation.")] = 0,
    precision: Annotated[
        str, typer.Option(help="float32 or bfloat16 (faster where the processor has instructions for it).")
    ] = "float32",
    device: DeviceName = "auto",
    runs: Annotated[Path, typer.Option(help="Folder of run folders.")] = Path("runs"),
    save_every: Annotated[int, typer.Option(min=1, help="Images between two saves of the state.")] = 4_000,
    score_every: Annotated[
        int, typer.Option(min=0, help="Images between two quick FIDs; 0: none.")
    ] = 20_000,
    score_count: Annotated[int, typer.Option(min=2, help="Images of a quick FID; not comparable.")] = 500,
    record_count: Annotated[
        int, typer.Option(help="Images on each side of the recorded FID; 0: do not record yet.")
    ] = COUNT,
    inception: InceptionFile = None,
    max_upscale: Annotated[
        float, typer.Option(help="With --data: enlarge images smaller than a crop by up to this.")
    ] = 1.0,
    validation_share: Annotated[float, typer.Option(help="With --data: share of images held out.")] = 0.2,
) -> None:
    """Train a generator; the same command again resumes. Ends with a checkpoint and its recorded FID.

    The run is a folder below --runs named for its configuration: resumable state, statistics
    (statistics.jsonl), sample grids, figures, and at the end NAME.safetensors. Ctrl-C saves and stops.
    """
    from endotwin.generator.architectures import PRESETS
    from endotwin.generator.checkpoint import file_sha256
    from endotwin.samples.grid import draw_grid
    from training.cli.record import record_run
    from training.learning import distributed
    from training.learning.instruments import with_instruments
    from training.learning.recipes.registry import RECIPES, default_recipe
    from training.learning.run_folder import RunFolder
    from training.learning.trainer import ReportIntervals, Trainer
    from training.random_streams import Purpose
    from training.scores.evaluation import quick_score
    from training.scores.figures import draw_run_figures
    from training.trial.batches import RealBatches
    from training.trial.trial_data import load_trial_data

    images_from = given_sources(data, sources, max_upscale, validation_share)
    architecture = with_instruments(require_choice("preset", preset, PRESETS), images_from.folders)
    chosen_recipe = recipe or default_recipe(architecture)
    made_by = require_choice("recipe", chosen_recipe, RECIPES)
    name = require_checkpoint_name(name or preset)
    _require_positive("epochs", epochs)
    _require_positive("hours", hours)
    if record_count != 0 and record_count < RECORD_MINIMUM:
        raise UsageError(f"--record-count: 0, or at least {RECORD_MINIMUM}; got {record_count}")
    device = chosen_device(device)
    beginning = _beginning(start_from, discriminators)
    from_weights_alone = start_from is not None and not start_from.is_dir() and discriminators is None
    dataset = load_images(images_from)
    settings = _settings(
        name=name,
        architecture=architecture,
        recipe=chosen_recipe,
        images=images if epochs is None else max(1, round(epochs * dataset.crops_per_epoch())),
        batch=batch,
        learning_rate=learning_rate,
        discriminators=None if discriminators is None else file_sha256(discriminators),
        augmentation=augmentation,
        seed=seed,
        precision=precision,
        start_from=None if beginning is None else beginning.generator_sha256,
        # Weights that are good already outrun discriminators that know nothing yet.
        generator_rate=(
            learning_rate * RATE_OF_WARM_START
            if from_weights_alone and generator_rate is None
            else generator_rate
        ),
        generator_waits=(
            WAIT_OF_WARM_START if from_weights_alone and generator_waits is None else generator_waits
        )
        or None,  # none as in the settings of runs from before
    )
    folder = RunFolder.of(runs, settings, dataset.digest)
    first = distributed.is_first()
    if first:  # of several processes, the others write nothing
        folder.write_text("settings.json", settings.model_dump_json(indent=2) + "\n")
    annotated = (
        RealBatches(load_trial_data(images_from).training, seed, Purpose.READER_CROPS)
        if made_by.needs_annotations
        else None
    )
    trainer = Trainer(settings, dataset, folder, device, beginning=beginning, annotated=annotated)
    if first:
        typer.echo(f"Run folder: {folder.path}")
        typer.echo(
            f"{'Resuming' if trainer.images else 'Starting'} at {trainer.images} of {settings.images} "
            f"images ({trainer.epochs():.0f} epochs), device {trainer.device}"
        )
    score = quick_score(dataset, count=score_count, inception=inception) if score_every and first else None
    try:
        complete = trainer.train(
            settings.images,
            ReportIntervals(save=save_every, score=score_every),
            grid=lambda images: draw_grid(images, 10),
            score=score,
            max_seconds=None if hours is None else hours * 3600,
        )
        if not first:
            return
        if complete and record_count:
            record_run(trainer, folder.path, record_count, inception)
            return
        draw_run_figures(folder.path, folder.read_statistics())
        if not complete:
            typer.echo(
                f"Stopped at {trainer.images} images; the state is saved. The same command resumes; "
                f"`endotwin-training record {folder.path}` makes a checkpoint of it as it is."
            )
    finally:
        distributed.stop()


def _beginning(path: Path | None, discriminators: Path | None) -> Checkpoint | SavedRun | None:
    from endotwin.generator.checkpoint import load_checkpoint
    from training.learning.discriminator_file import with_discriminators
    from training.learning.run_folder import RunFolder
    from training.learning.saved_run import read_saved_run

    if discriminators is not None and (path is None or path.is_dir()):
        raise UsageError("--discriminators: only with --start-from CHECKPOINT; a run has its own")
    if path is None:
        return None
    if path.is_dir():
        return read_saved_run(RunFolder(path))
    checkpoint = load_checkpoint(path, require_fid=False)
    return checkpoint if discriminators is None else with_discriminators(checkpoint, discriminators)


def _settings(**values: object) -> TrainingSettings:
    from training.learning.settings import TrainingSettings

    try:
        settings = TrainingSettings.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = "-".join(str(part) for part in first["loc"]).replace("_", "-")
        raise UsageError(f"--{where}: {first['msg']}") from error
    if settings.augmentation is not None and settings.recipe == "paper":
        raise UsageError(
            "--augmentation: the recipe `paper` shows its discriminator all images as they are"
        )
    if settings.generator_waits is not None and settings.generator_waits >= settings.images:
        raise UsageError(
            f"--images {settings.images}: the generator would wait for all of them; ask for more than "
            f"{settings.generator_waits}, or for a shorter --generator-waits"
        )
    return settings


def _require_positive(option: str, value: float | None) -> None:
    if value is not None and not 0 < value < math.inf:
        raise UsageError(f"--{option}: a number above 0, got {value}")
