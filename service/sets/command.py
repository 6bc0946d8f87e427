"""`endotwin set`: the options. The work is in `service.sets.actions`, imported when it is needed."""

from __future__ import annotations

from typing import Annotated

import typer

from service.interruption import noted_signals
from service.labelling import Labelling, LabellingError, parse_labels
from service.options import (
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
from service.sets.place import PlaceError, parse_place
from service.sets.sizes import DEFAULT_SHARD_SIZE


def set_command(
    *,
    destination: Annotated[str, typer.Argument(help="A folder, or s3://bucket/prefix.")],
    n: Annotated[int | None, typer.Option("--n", "-n", help="Number of images.")] = None,
    seed: Annotated[int | None, typer.Option(help="From 0 to 2**64 - 1.")] = None,
    start: Annotated[int | None, typer.Option(help="Index of the first image. Default: 0.")] = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the set, for its card. Default: from model and seed.")
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
    kind: Annotated[str | None, typer.Option("--format", help="tar or zip. Default: tar.")] = None,
    shard_size: Annotated[
        int | None, typer.Option(help=f"Images of one shard. Default: {DEFAULT_SHARD_SIZE}.")
    ] = None,
    shards: Annotated[
        str | None, typer.Option(metavar="A:B", help="Make only shards A to B - 1, counted from 0.")
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Read a finished set and check every digest; make nothing.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be written, how large, how long.")
    ] = False,
    replace_wrong: Annotated[
        bool,
        typer.Option(
            "--replace-wrong", help="Replace files with the set's names that are damaged or not of the set."
        ),
    ] = False,
) -> None:
    """Make a large set: shards, manifest, data set card, in a folder or in S3-compatible storage.

    Stopped at any moment, the same command goes on: only what is missing is made. With a larger --n it
    grows the set. manifest.json comes last: without it the set is not finished. With labels or conditions
    a model is chosen that has them; a condition is a number or a range LOW:HIGH. Endpoint, region and
    credentials of S3 come from the usual AWS variables and files.

    \b
    Examples:
      endotwin set --n 1000000 --seed 7 s3://bucket/sets/first
      endotwin set --n 1000000 --seed 7 --shards 0:20 s3://bucket/sets/first
      endotwin set --n 100000 --seed 7 --labels borders,instances --density 1500:2500 sets/second
      endotwin set --verify s3://bucket/sets/first
      endotwin set --n 100000 --seed 7 --dry-run sets/first
    """
    wanted = given(n=n, seed=seed, start=start, name=name, format=kind, shard_size=shard_size)
    conditions = given(
        density=density, cv=cv, hexagonality=hexagonality, guttae=guttae, age=age, pixel_size=pixel_size
    )
    check_one_model(model, checkpoint)
    if verify and (wanted or labels or conditions or model or shards or dry_run):
        raise typer.BadParameter(
            "--verify takes the set as its manifest describes it; only --replace-wrong, --checkpoint and "
            "--device go with it"
        )
    if not verify and not wanted.keys() >= {"n", "seed"}:
        raise typer.BadParameter("give --n and --seed; the same values again go on with the same set")

    with noted_signals() as stop_if_asked:
        from service.checkpoint_choice import OrderError  # noqa: PLC0415
        from service.conditions import parse_conditions  # noqa: PLC0415
        from service.sets import actions  # noqa: PLC0415

        try:
            labelling = Labelling(
                () if labels is None else parse_labels(labels), parse_conditions(conditions)
            )
            desk = actions.open_desk(
                parse_place(destination),
                model=model,
                checkpoint_path=checkpoint,
                device=device,
                stop_if_asked=stop_if_asked,
            )
            if dry_run:
                actions.foretell(desk, wanted, labelling, shards)
            elif not verify:
                actions.make(desk, wanted, labelling, shards, replace_wrong=replace_wrong)
            elif not actions.verify(desk, replace_wrong=replace_wrong):
                raise typer.Exit(1)
        except (LabellingError, OrderError, PlaceError) as error:
            raise typer.BadParameter(str(error)) from error
        except actions.FAILURES as error:
            typer.echo(f"Error: {error}", err=True)
            raise typer.Exit(1) from error
