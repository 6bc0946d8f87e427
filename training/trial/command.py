"""`endotwin-training trial`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import ValidationError

from training.cli.options import UsageError, chosen_device
from training.trial.settings import ARMS, COMPARED, WITHOUT_SOURCE, Arm, TrialSettings

if TYPE_CHECKING:
    from training.trial.trial_data import TrialData

_DEFAULTS = TrialSettings()


def trial_command(
    sources: Annotated[
        Path,
        typer.Option("--sources", help="TOML file of the images that the generator was trained with."),
    ],
    data: Annotated[
        Path | None,
        typer.Option("--data", help="Folder that holds the sources; default: the paths in the file."),
    ] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option("--checkpoint", help="A labelled generator; `real` and `ceiling` need none."),
    ] = None,
    foreign: Annotated[
        list[Path] | None,
        typer.Option("--foreign", help="Annotated folder of another modality; repeatable."),
    ] = None,
    annotated: Annotated[
        int | None,
        typer.Option(
            min=1, help="Train on at most this many annotated images of each source; default: all."
        ),
    ] = None,
    arms: Annotated[
        str,
        typer.Option(
            "--arms",
            help=f"Which of {', '.join(ARMS)}, separated by commas. `ceiling` is trained on the test "
            "images, too.",
        ),
    ] = ",".join(COMPARED),
    seeds: Annotated[int, typer.Option(min=1, help="Number of seeds, from 0 on.")] = 3,
    steps: Annotated[
        int, typer.Option(help="Steps of 16 images, the same for every arm.")
    ] = _DEFAULTS.steps,
    learning_rate: Annotated[
        float, typer.Option(help="Highest learning rate, the same for every arm.")
    ] = _DEFAULTS.learning_rate,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="Folder of the results; its pictures show real images."),
    ] = Path("out/trial"),
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
) -> None:
    """Train a small U-Net on real and on labelled synthetic images; score it on real ones held out.

    Each folder of real images has images/, borders/ and cells/ (docs/training.md). Every arm has the same
    budget. The same command resumes a stopped trial; with more seeds, other arms or another checkpoint it
    adds to the same table.
    """
    from training.data.sources import read_sources
    from training.trial.labelled_source import checkpoint_source
    from training.trial.report import markdown_table
    from training.trial.run import run_trial
    from training.trial.trial_data import load_trial_data, sources_below

    chosen_arms = _arms(arms)
    settings = _settings(steps=steps, learning_rate=learning_rate)
    torch_device = chosen_device(device)
    if checkpoint is None and not set(chosen_arms) <= set(WITHOUT_SOURCE):
        raise UsageError(
            f"--checkpoint: give a labelled generator; only --arms {','.join(WITHOUT_SOURCE)} need none"
        )
    found = read_sources(sources)
    real = load_trial_data(found if data is None else sources_below(found, data), foreign or [])
    if annotated is not None:
        real = real.with_few(annotated)
    _print_counts(real)
    try:
        report = run_trial(
            real,
            settings,
            output,
            arms=chosen_arms,
            seeds=range(seeds),
            source=None if checkpoint is None else checkpoint_source(checkpoint, torch_device),
            device=torch_device,
        )
    except KeyboardInterrupt:
        typer.echo(f"\nStopped. Finished runs are in {output}; the same command resumes.", err=True)
        raise typer.Exit(130) from None
    typer.echo(markdown_table(report))
    typer.echo(f"Means over images, ± standard deviation over seeds. In full: {output}/trial.json")


def _arms(arms: str) -> tuple[Arm, ...]:
    chosen = [arm.strip() for arm in arms.split(",")]
    unknown = [arm for arm in chosen if arm not in ARMS]
    if unknown:
        raise UsageError(f"--arms: {', '.join(map(repr, unknown))}; there are {', '.join(ARMS)}")
    return tuple(arm for arm in ARMS if arm in chosen)


def _settings(**values: object) -> TrialSettings:
    try:
        return TrialSettings.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = str(first["loc"][0]).replace("_", "-")
        raise UsageError(f"--{where}: {first['msg']}") from error


def _print_counts(data: TrialData) -> None:
    for chosen in data.training:
        typer.echo(f"{chosen.name}: {len(chosen.images)} annotated images to train on")
    for test in data.tests:
        size = "" if test.factor == 1 else f", resized by {test.factor:.2f} to the same size of cells"
        typer.echo(f"{test.name}: {len(test.images)} annotated images to score on{size}")
