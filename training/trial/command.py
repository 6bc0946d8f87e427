"""The command `endotwin-training utility`."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import ValidationError

from training.cli.options import UsageError, chosen_device
from training.data.sources import read_sources
from training.trial.labelled_source import LabelledSource, NamedSource
from training.trial.settings import ARMS, COMPARED, WITHOUT_SOURCE, Arm, UtilitySettings

if TYPE_CHECKING:
    from training.trial.trial_data import UtilityData

OpenSource = Callable[[Path, str], LabelledSource]
"""Opens the labelled images of a checkpoint file on a torch device."""

_DEFAULTS = UtilitySettings()


def utility_command(open_source: OpenSource) -> Callable[..., None]:
    """Return the command, for typer, with the way in which it opens a checkpoint."""

    def utility(
        sources: Annotated[
            Path,
            typer.Option("--sources", help="TOML file of the images that the generator was trained with."),
        ],
        data: Annotated[
            Path | None,
            typer.Option("--data", help="Folder that holds the sources; default: where the file says."),
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
                min=1, help="Train on so many annotated images of each source at most; default: all."
            ),
        ] = None,
        arms: Annotated[
            str,
            typer.Option(
                "--arms",
                help=f"Which of {', '.join(ARMS)}, with commas between them. `ceiling` is trained on the "
                "test images, too.",
            ),
        ] = ",".join(COMPARED),
        seeds: Annotated[int, typer.Option(min=1, help="How many seeds, from 0 on.")] = 3,
        steps: Annotated[
            int, typer.Option(help="Steps of 16 images, the same for every arm.")
        ] = _DEFAULTS.steps,
        learning_rate: Annotated[
            float, typer.Option(help="The highest, the same for every arm.")
        ] = _DEFAULTS.learning_rate,
        output: Annotated[
            Path,
            typer.Option("--output", "-o", help="Folder of the results; pictures show real images."),
        ] = Path("out/utility"),
        device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    ) -> None:
        """Train a small U-Net on real and on labelled synthetic images; score it on real ones held out.

        Each folder of real images has images/, borders/ and cells/ (docs/training.md). Every arm has the
        same budget. The same command again goes on where it was stopped, and with more seeds, other arms or
        another checkpoint it adds to the same table.
        """
        # Only here, so that the other commands neither need nor load the extra.
        try:
            from training.trial.report import markdown_table  # noqa: PLC0415
            from training.trial.trial_data import below, load_utility_data  # noqa: PLC0415
            from training.trial.trial_run import run_utility  # noqa: PLC0415
        except ModuleNotFoundError as error:
            raise UsageError(
                f"this command needs {error.name}: install the extra, pip install 'endotwin[training]'"
            ) from error
        chosen_arms = _arms(arms)
        settings = _settings(steps=steps, learning_rate=learning_rate)
        torch_device = chosen_device(device)
        if checkpoint is None and not set(chosen_arms) <= set(WITHOUT_SOURCE):
            raise UsageError(
                f"--checkpoint: a labelled generator is needed, but for --arms {','.join(WITHOUT_SOURCE)}"
            )
        found = read_sources(sources)
        real = load_utility_data(below(found, data) if data is not None else found, foreign or [])
        if annotated is not None:
            real = real.with_few(annotated)
        _tell(real)
        try:
            report = run_utility(
                real,
                settings,
                output,
                arms=chosen_arms,
                seeds=range(seeds),
                source=_source(open_source, checkpoint, torch_device) if checkpoint is not None else None,
                device=torch_device,
            )
        except KeyboardInterrupt:
            typer.echo(f"\nStopped. What is done is in {output}; the same command goes on.", err=True)
            raise typer.Exit(130) from None
        typer.echo(markdown_table(report))
        typer.echo(f"Means over images, ± standard deviation over seeds. In full: {output}/utility.json")

    return utility


def _arms(arms: str) -> tuple[Arm, ...]:
    chosen = [arm.strip() for arm in arms.split(",")]
    unknown = [arm for arm in chosen if arm not in ARMS]
    if unknown:
        raise UsageError(f"--arms: {', '.join(map(repr, unknown))}; there are {', '.join(ARMS)}")
    return tuple(arm for arm in ARMS if arm in chosen)


def _settings(**values: object) -> UtilitySettings:
    try:
        return UtilitySettings.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = str(first["loc"][0]).replace("_", "-")
        raise UsageError(f"--{where}: {first['msg']}") from error


def _source(open_source: OpenSource, checkpoint: Path, device: str) -> NamedSource:
    """Open a checkpoint and name it by its file and content: a checkpoint trained further is another."""
    digest = hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    stem = re.sub(r"[^A-Za-z0-9-]+", "-", checkpoint.stem)
    return NamedSource(f"{stem}-{digest[:8]}", open_source(checkpoint, device))


def _tell(data: UtilityData) -> None:
    for chosen in data.training:
        typer.echo(f"{chosen.name}: {len(chosen.images)} annotated images to train on")
    for test in data.tests:
        size = "" if test.factor == 1 else f", resized by {test.factor:.2f} to the same size of cells"
        typer.echo(f"{test.name}: {len(test.images)} annotated images to score on{size}")
