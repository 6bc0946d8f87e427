"""The command `endotwin-training evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from training.cli.options import chosen_device, require_one_place
from training.scores.request import COUNT, EXAMINED_COUNT, RECORD_MINIMUM, EvaluationRequest

EPILOG = (
    "Examples:  endotwin-training evaluate checkpoints/compact.safetensors --data ../shared/data  |  "
    "endotwin-training evaluate checkpoints/compact.safetensors --sources checkpoints/compact.toml "
    "--run runs/compact-… --record"
)

_OUTPUT = Path("out/evaluation")


def evaluate_command(
    checkpoint: Annotated[Path, typer.Argument(help="A checkpoint file.")],
    data: Annotated[
        Path | None, typer.Option("--data", help="Folder that holds the checkpoint's sources; or")
    ] = None,
    sources: Annotated[
        Path | None, typer.Option("--sources", help="TOML file that lists them (docs/training.md).")
    ] = None,
    run: Annotated[
        Path | None, typer.Option("--run", help="Its run folder: adds FID and images over training.")
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for report.html and evaluation.json.")
    ] = _OUTPUT,
    count: Annotated[
        int, typer.Option(help=f"Images on each side of the scores; below {RECORD_MINIMUM}: a quick look.")
    ] = COUNT,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Default: the seed the card's score was made with.")
    ] = None,
    memorisation_count: Annotated[
        int, typer.Option(min=0, help="Images whose nearest real crops are searched; 0: leave it out.")
    ] = EXAMINED_COUNT,
    morphometry_count: Annotated[
        int, typer.Option(min=0, help="Images whose cells are measured; 0: leave it out.")
    ] = EXAMINED_COUNT,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    inception: Annotated[Path | None, typer.Option(help="File of the Inception weights.")] = None,
    record: Annotated[
        bool, typer.Option("--record", help="Write the essential values into the checkpoint's card.")
    ] = False,
    show_real: Annotated[
        bool, typer.Option("--show-real", help="Show real images in the report: not to be published.")
    ] = False,
) -> None:
    """Measure a checkpoint beside its controls: one HTML report, one JSON (docs/evaluation.md).

    FID, KID, precision, recall, density and coverage, each in three draws and beside what real images
    reach; whether images copy training images; the density, areas and neighbours of their cells. Features
    are kept, so the same command again is quicker.
    """
    from training.scores.report_tables import console_table
    from training.scores.run import run_evaluation

    require_one_place(data, sources)
    request = EvaluationRequest(
        checkpoint=checkpoint,
        data=data,
        sources=sources,
        run=run,
        output=output,
        count=count,
        seed=seed,
        device=chosen_device(device),
        memorisation_count=memorisation_count,
        morphometry_count=morphometry_count,
        inception=inception,
        record=record,
        show_real=show_real,
    )
    done = run_evaluation(request)
    typer.echo(console_table(done.evidence))
    typer.echo(f"\nWritten to {output}: {done.report.name}, {done.json.name}")
    if done.evidence.recorded_sha256 is not None:
        typer.echo(f"Recorded in {checkpoint}, now sha256 {done.evidence.recorded_sha256}")
    elif not done.evidence.recordable:
        typer.echo(f"A quick look at {count} images: not comparable with other counts, not recordable")
