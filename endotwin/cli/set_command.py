"""`endotwin set` and `endotwin set export`: the options. The work is in `endotwin.cli.set_tasks`."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from typer.core import TyperGroup

from endotwin.cli.command_line import reported, saying
from endotwin.cli.interruption import noted_signals
from endotwin.cli.options import (
    Age,
    Appearance,
    CheckpointFile,
    Clarity,
    Cv,
    Density,
    Device,
    ExpertHand,
    Guttae,
    Hexagonality,
    Labels,
    ModelName,
    PixelSize,
    Size,
    check_one_model,
    given,
)
from endotwin.cli.remote import KeyFile, Url, connected, follow_job, require_without_url
from endotwin.files import OutputError
from endotwin.samples.arguments import ConditionArguments
from endotwin.samples.labelling import Labelling, LabellingError, parse_labels
from endotwin.samples.layouts.writing import LAYOUTS
from endotwin.sets import LARGEST_USUAL_SHARD, USUAL_SHARDS
from endotwin.sets.storage.place import PlaceError, parse_place

_MAKE = "(make)"
"""Name of the command that `endotwin set` runs if no other is named; it is not shown."""


class _SetGroup(TyperGroup):
    """Runs the command that makes a set on `endotwin set DESTINATION …`."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Return the context of the command that the arguments belong to."""
        if args and args[0] in self.commands:
            return super().make_context(info_name, args, parent, **extra)
        return self.commands[_MAKE].make_context(info_name, args, parent, **extra)


set_app = typer.Typer(
    cls=_SetGroup,
    help="Make a large set: shards, manifest, data set card; or export one.",
    add_completion=False,
    rich_markup_mode=None,
)


@set_app.command(_MAKE)
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
    kind: Annotated[str | None, typer.Option("--format", help="tar or zip. Default: tar.")] = None,
    shard_size: Annotated[
        int | None,
        typer.Option(
            help="Images of one shard. Default: as in the set that is there; in a new one so many that it "
            f"has {USUAL_SHARDS} shards or more, at most {LARGEST_USUAL_SHARD}."
        ),
    ] = None,
    validation_every: Annotated[
        int | None,
        typer.Option(help="Of so many indices, the last is a validation image, in shards of their own."),
    ] = None,
    shards: Annotated[
        str | None, typer.Option(metavar="A:B", help="Make only shards A to B - 1, counted from 0.")
    ] = None,
    part: Annotated[
        str | None,
        typer.Option(metavar="I/N", help="Make only part I of N equal ones, I from 0 to N - 1."),
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS|local", help="Make the shards on a Ray cluster, or on one of this machine."
        ),
    ] = None,
    ray_cpus: Annotated[
        int | None, typer.Option(min=1, help="CPUs that each worker on Ray takes. Default: 1.")
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Read a finished set and check every digest; make nothing.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be written, how large, how long.")
    ] = False,
    replace_wrong: Annotated[
        bool,
        typer.Option(
            "--replace-wrong", help="Replace files with the set's names that are damaged or not of the set."
        ),
    ] = False,
    url: Url = None,
    key_file: KeyFile = None,
) -> None:
    """Make a large set: shards, manifest, data set card, in a folder or in S3-compatible storage.

    With --url a service makes it, in a job that is followed here; Ctrl-C leaves the job running.
    `endotwin set export` writes a finished set as folders for other software; see its own --help.

    Stopped at any moment, the same command continues: only what is missing is made. With a larger --n it
    grows the set. manifest.json comes last: without it the set is not finished. With labels or conditions
    a model is chosen that has them; a condition is a number or a range LOW:HIGH. Endpoint, region and
    credentials of S3 come from the usual AWS variables and files.

    \b
    Examples:
      endotwin set --n 1000000 --seed 7 s3://bucket/sets/first
      endotwin set --n 1000000 --seed 7 --shards 0:20 s3://bucket/sets/first
      endotwin set --n 100000 --seed 7 --labels borders,instances --density 1500:2500 sets/second
      endotwin set --n 100000 --seed 7 --validation-every 10 sets/third
      endotwin set --n 1000000 --seed 7 --ray local s3://bucket/sets/first
      endotwin set --verify s3://bucket/sets/first
      endotwin set --n 100000 --seed 7 --dry-run sets/first
      endotwin set --n 1000000 --seed 7 --url https://endotwin.example s3://bucket/sets/first
    """
    options: dict[str, Any] = given(
        n=n,
        seed=seed,
        start=start,
        name=name,
        format=kind,
        shard_size=shard_size,
        validation_every=validation_every,
    )
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
    check_one_model(model, checkpoint)
    if verify and (options or labels or conditions or model or shards or part or ray or dry_run):
        raise typer.BadParameter(
            "--verify takes the set as its manifest describes it; only --replace-wrong, --checkpoint and "
            "--device go with it"
        )
    if not verify and not options.keys() >= {"n", "seed"}:
        raise typer.BadParameter("give --n and --seed; the same values again continue the same set")

    if shards is not None and part is not None:
        raise typer.BadParameter("give --shards or --part, not both")
    if ray is not None and dry_run:
        raise typer.BadParameter("--dry-run measures this machine; give it without --ray")
    if ray_cpus is not None and ray is None:
        raise typer.BadParameter("--ray-cpus takes --ray")

    if url is not None:
        require_without_url(
            {
                "start": start,
                "name": name,
                "checkpoint": checkpoint,
                "device": device,
                "shards": shards,
                "part": part,
                "ray": ray,
                "verify": verify,
                "dry-run": dry_run,
                "replace-wrong": replace_wrong,
            }
        )
        with connected(url, key_file) as client:
            job = client.start_job(
                destination,
                options["seed"],
                options["n"],
                labels=labels or (),
                model=model,
                format="zip" if kind == "zip" else "tar",
                shard_size=shard_size,
                validation_every=validation_every,
                **cast("ConditionArguments", conditions),
            )
            typer.echo(f"job {job.id} of {url}", err=True)
            follow_job(client, job, url)
        return

    with noted_signals() as stop_if_asked, ThreadPoolExecutor(1, "device") as thread:
        with saying("loading torch"):
            from endotwin.catalogue import ChoiceError  # noqa: PLC0415
            from endotwin.cli import set_tasks as tasks  # noqa: PLC0415
        from endotwin.samples.conditions import parse_conditions  # noqa: PLC0415

        with reported(*tasks.SET_FAILURES, invalid=(LabellingError, ChoiceError, PlaceError)):
            labelling = Labelling(
                () if labels is None else parse_labels(labels), parse_conditions(conditions)
            )
            context = tasks.open_context(
                parse_place(destination),
                model=model,
                checkpoint_path=checkpoint,
                device=device,
                thread=thread,
                stop_if_asked=stop_if_asked,
            )
            choice = tasks.ShardChoice(shards, part)
            if dry_run:
                tasks.dry_run(context, options, labelling, choice)
            elif not verify:
                on_ray = None if ray is None else tasks.RayOptions(ray, ray_cpus or 1)
                tasks.make(context, options, labelling, choice, replace_wrong=replace_wrong, ray=on_ray)
            elif not tasks.verify(context, replace_wrong=replace_wrong):
                raise typer.Exit(1)


@set_app.command("export")
def export_command(
    source: Annotated[
        str, typer.Argument(metavar="SET", help="A finished set: a folder, or s3://bucket/prefix.")
    ],
    output: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to write.")],
    *,
    layout: Annotated[str, typer.Option(metavar="|".join(LAYOUTS), help="What the folder is to be.")],
    labels: Annotated[
        str | None, typer.Option(help="Labels that it holds. Default: the layout's usual ones.")
    ] = None,
    validation_every: Annotated[
        int | None,
        typer.Option(
            min=2, help="Of so many indices, the last is a validation image. Default: as in the set."
        ),
    ] = None,
) -> None:
    """Write a finished set with labels as a folder that other software loads as it is.

    It is the folder that `endotwin generate --layout` makes of the same images, without generating them.
    Every shard is checked against the manifest before it is used. The folder appears when it is complete:
    Ctrl-C or an error leaves nothing behind, and the command starts again.

    \b
    Examples:
      endotwin set export sets/second nnUNet_raw/Dataset501_Endotwin --layout nnunet
      endotwin set export s3://bucket/sets/second plain --layout masks --validation-every 10
    """
    if layout not in LAYOUTS:
        raise typer.BadParameter(f"{layout!r} is not one of {', '.join(LAYOUTS)}", param_hint="'--layout'")
    with noted_signals() as stop_if_asked:
        with saying("loading torch"):
            from endotwin.cli import set_tasks as tasks  # noqa: PLC0415

        with reported(*tasks.SET_FAILURES, OutputError, invalid=(LabellingError, PlaceError)):
            tasks.export(
                parse_place(source),
                LAYOUTS[layout],
                output,
                labels=() if labels is None else parse_labels(labels),
                validation_every=validation_every,
                stop_if_asked=stop_if_asked,
            )
