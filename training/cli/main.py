"""The command line of the training package: `endotwin-training`."""

from __future__ import annotations

import math
import re
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from pydantic import ValidationError

from endotwin.files import OutputError
from endotwin.generator.architectures import PRESETS
from endotwin.generator.card import Card
from endotwin.generator.checkpoint import CheckpointError, load_checkpoint, read_card
from endotwin.samples.grid import draw_grid
from training.blind_test.command import blind_test_app
from training.cli.options import UsageError, chosen_device
from training.curation.command import EPILOG as CURATE_EPILOG
from training.curation.command import curate_command
from training.data.read import DataError
from training.data.sources import Sources, parse_folders, read_sources
from training.data.split import Dataset
from training.learning import distributed
from training.learning.recipes.names import DEFAULT_RECIPES
from training.learning.recipes.recipe import RecipeError
from training.learning.recipes.registry import RECIPES, default_recipe
from training.learning.recording import record
from training.learning.run_folder import RunError, RunFolder
from training.learning.settings import TrainingSettings
from training.learning.trainer import ReportIntervals, Trainer, TrainingError
from training.learning.warm_start import WarmStartError
from training.scores.command import EPILOG as EVALUATE_EPILOG
from training.scores.command import evaluate_command
from training.scores.evaluation import quick_score
from training.scores.figures import draw_run_figures
from training.scores.request import COUNT, RECORD_MINIMUM, EvaluationError, InceptionError
from training.trial.batches import RealBatches
from training.trial.command import trial_command
from training.trial.trial_data import load_trial_data

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Turn folders of specular-microscopy images into a generator checkpoint with its recorded FID.",
)

_T = TypeVar("_T")

_Data = Annotated[
    list[str] | None,
    typer.Option("--data", help="Folder of images, or FOLDER=WEIGHT; may be given several times."),
]
_SourcesFile = Annotated[
    Path | None, typer.Option("--sources", help="TOML file that lists the folders (docs/training.md).")
]


@app.command(
    epilog="Examples:  endotwin-training train --data scans/  |  "
    "endotwin-training train --sources checkpoints/compact.toml --hours 8  |  "
    "torchrun --nproc-per-node 4 -m training train --data scans/ --preset paper --recipe paper"
)
def train(
    data: _Data = None,
    sources: _SourcesFile = None,
    preset: Annotated[str, typer.Option(help=f"Networks: {', '.join(PRESETS)}.")] = "compact",
    recipe: Annotated[
        str | None,
        typer.Option(help=f"How to train: {', '.join(RECIPES)}. Default: {DEFAULT_RECIPES}."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the checkpoint; default: the preset's.")] = None,
    start_from: Annotated[
        Path | None, typer.Option(help="Checkpoint whose weights a new run starts from.")
    ] = None,
    images: Annotated[
        int, typer.Option(help="Images to see in all, over every session of the run.")
    ] = 200_000,
    epochs: Annotated[float | None, typer.Option(help="The same in epochs; instead of --images.")] = None,
    hours: Annotated[float | None, typer.Option(help="End this session after so many hours.")] = None,
    batch: Annotated[int, typer.Option(help="Images per step.")] = 16,
    learning_rate: Annotated[float, typer.Option(help="Of both Adam optimisers.")] = 2e-4,
    seed: Annotated[int, typer.Option(help="Of weights, crops, latents and augmentation.")] = 0,
    precision: Annotated[
        str, typer.Option(help="float32 or bfloat16 (faster on a recent GPU).")
    ] = "float32",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    runs: Annotated[Path, typer.Option(help="Folder of run folders.")] = Path("runs"),
    save_every: Annotated[int, typer.Option(min=1, help="Images between two saves of the state.")] = 4_000,
    score_every: Annotated[
        int, typer.Option(min=0, help="Images between two quick FIDs; 0: none.")
    ] = 20_000,
    score_count: Annotated[int, typer.Option(min=2, help="Images of a quick FID; not comparable.")] = 500,
    record_count: Annotated[
        int, typer.Option(help="Images on each side of the recorded FID; 0: do not record yet.")
    ] = COUNT,
    inception: Annotated[Path | None, typer.Option(help="File of the Inception weights.")] = None,
    max_upscale: Annotated[
        float, typer.Option(help="With --data: enlarge images smaller than a crop by up to this.")
    ] = 1.0,
    validation_share: Annotated[float, typer.Option(help="With --data: share of images held out.")] = 0.2,
) -> None:
    """Train a generator; the same command again resumes. Ends with a checkpoint and its recorded FID.

    The run is a folder below --runs whose name tells the configuration: resumable state, statistics
    (statistics.jsonl), sample grids, figures, and at the end NAME.safetensors. Ctrl-C saves and stops.
    """
    architecture = _choice("preset", preset, PRESETS)
    chosen_recipe = _choice("recipe", recipe or default_recipe(architecture), {key: key for key in RECIPES})
    name = _name(name or preset)
    _positive("epochs", epochs)
    _positive("hours", hours)
    if record_count != 0 and record_count < RECORD_MINIMUM:
        raise UsageError(f"--record-count: 0, or at least {RECORD_MINIMUM}; got {record_count}")
    device = chosen_device(device)
    beginning = None if start_from is None else load_checkpoint(start_from)
    images_from = _sources(data, sources, max_upscale, validation_share)
    dataset = _load(images_from)
    settings = _settings(
        name=name,
        architecture=architecture,
        recipe=chosen_recipe,
        images=images if epochs is None else max(1, round(epochs * dataset.crops_per_epoch())),
        batch=batch,
        learning_rate=learning_rate,
        seed=seed,
        precision=precision,
        start_from=None if beginning is None else beginning.generator_sha256,
    )
    folder = RunFolder.of(runs, settings, dataset.digest)
    folder.write_text("settings.json", settings.model_dump_json(indent=2) + "\n")
    annotated = None
    if RECIPES[chosen_recipe].needs_annotations:
        annotated = RealBatches(load_trial_data(images_from).training, seed)
    trainer = Trainer(settings, dataset, folder, device, beginning=beginning, annotated=annotated)
    chief = distributed.is_first()
    if chief:
        typer.echo(f"Run folder: {folder.path}")
        typer.echo(
            f"{'Resuming' if trainer.images else 'Starting'} at {trainer.images} of {settings.images} "
            f"images ({trainer.epochs():.0f} epochs), device {trainer.device}"
        )
    score = quick_score(dataset, count=score_count, inception=inception) if score_every and chief else None
    intervals = ReportIntervals(save=save_every, score=score_every)
    try:
        complete = trainer.train(
            settings.images,
            intervals,
            grid=lambda images: draw_grid(images, 10),
            score=score,
            max_seconds=None if hours is None else hours * 3600,
        )
        if not chief:
            return
        draw_run_figures(folder.path, folder.read_statistics())
        if not complete:
            typer.echo(
                f"Stopped at {trainer.images} images; the state is saved. The same command goes on; "
                f"`endotwin-training record {folder.path}` makes a checkpoint of it as it is."
            )
        elif record_count:
            _record(trainer, folder.path, record_count, inception)
    finally:
        distributed.stop()


@app.command(
    name="record", epilog="Example:  endotwin-training record runs/compact-… --sources S -o checkpoints"
)
def record_command(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    data: _Data = None,
    sources: _SourcesFile = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder of the checkpoint; default: the run folder."),
    ] = None,
    count: Annotated[int, typer.Option(help="Images on each side of the scores.")] = COUNT,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    inception: Annotated[Path | None, typer.Option(help="File of the Inception weights.")] = None,
    max_upscale: Annotated[float, typer.Option(help="As it was for `train`.")] = 1.0,
    validation_share: Annotated[float, typer.Option(help="As it was for `train`.")] = 0.2,
) -> None:
    """Make a checkpoint, with its recorded FID, of a run as it stands (give the images as for `train`)."""
    folder = RunFolder(run)
    settings = folder.read_settings()
    dataset = _load(_sources(data, sources, max_upscale, validation_share))
    expected = RunFolder.name_of(settings, dataset.digest)
    if run.resolve().name != expected:
        raise RunError(
            f"{run}: these are not the images it was trained on: with them its folder would be {expected}"
        )
    trainer = Trainer(settings, dataset, folder, chosen_device(device))
    if trainer.images == 0:
        raise RunError(f"{run}: nothing was trained yet")
    draw_run_figures(run, folder.read_statistics())
    _record(trainer, output or run, count, inception)


@app.command(epilog="Example:  endotwin-training card checkpoints/compact.safetensors")
def card(checkpoint: Annotated[Path, typer.Argument(help="A checkpoint file.")]) -> None:
    """Print a checkpoint's card as JSON."""
    typer.echo(read_card(checkpoint).model_dump_json(indent=2))


app.command(name="evaluate", epilog=EVALUATE_EPILOG)(evaluate_command)
app.command(name="curate", epilog=CURATE_EPILOG)(curate_command)
app.add_typer(blind_test_app, name="blind-test")
app.command(name="trial")(trial_command)


def main() -> None:
    """Run the command line; an expected error is one message on standard error, not a traceback."""
    warnings.filterwarnings("ignore", message=".*weights.*are None.*")
    try:
        app()
    except (UsageError, RecipeError) as error:
        _fail(error, 2)
    except (
        DataError,
        OutputError,
        CheckpointError,
        InceptionError,
        RunError,
        EvaluationError,
        TrainingError,
        WarmStartError,
        OSError,
    ) as error:
        _fail(error, 1)


def _fail(error: Exception, code: int) -> None:
    typer.echo(f"Error: {error}", err=True)
    sys.exit(code)


def _sources(
    data: list[str] | None, sources: Path | None, max_upscale: float, validation_share: float
) -> Sources:
    if (not data) == (sources is None):
        raise UsageError("give the images either as --data FOLDER (repeatable) or as --sources FILE")
    if sources is not None:
        return read_sources(sources)
    if not 1 <= max_upscale < math.inf:
        raise UsageError(f"--max-upscale: a number from 1 up, got {max_upscale}")
    if not 0 <= validation_share < 1:
        raise UsageError(f"--validation-share: from 0 to below 1, got {validation_share}")
    return Sources(parse_folders(data or []), max_upscale=max_upscale, validation_share=validation_share)


def _load(sources: Sources) -> Dataset:
    dataset = sources.load()
    if not distributed.is_first():
        return dataset
    for item in dataset.left_out:
        typer.echo(f"Left out: {item.reason}", err=True)
    for source in dataset.sources:
        typer.echo(
            f"{source.name}: {source.images} images to train on, {source.held_out} held out, "
            f"{source.left_out} left out"
        )
    return dataset


def _settings(**values: object) -> TrainingSettings:
    try:
        return TrainingSettings.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = "-".join(str(part) for part in first["loc"]).replace("_", "-")
        raise UsageError(f"--{where}: {first['msg']}") from error


def _choice(option: str, value: str, choices: Mapping[str, _T]) -> _T:
    if value not in choices:
        raise UsageError(f"--{option}: {value!r} is not one of {', '.join(choices)}")
    return choices[value]


def _name(name: str) -> str:
    """Check a checkpoint's name before hours are spent on it."""
    pattern = Card.model_json_schema()["properties"]["name"]["pattern"]
    if not re.fullmatch(pattern, name):
        raise UsageError(
            f"--name: {name!r}; a name has 1 to 64 lower-case letters, digits and hyphens, no hyphen first"
        )
    return name


def _positive(option: str, value: float | None) -> None:
    if value is not None and not 0 < value < math.inf:
        raise UsageError(f"--{option}: a number above 0, got {value}")


def _record(trainer: Trainer, destination: Path, count: int, inception: Path | None) -> None:
    recorded = record(trainer, destination, count=count, inception=inception)
    draw_run_figures(trainer.folder.path, trainer.folder.read_statistics(), recorded.fid)
    typer.echo(
        f"{recorded.path}: FID {recorded.fid.generated_training.fid:.2f} at {count} against {count} "
        f"(real against real {recorded.fid.real_real.fid:.2f})"
    )
