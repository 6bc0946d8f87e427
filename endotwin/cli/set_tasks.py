"""What `endotwin set` does: make, dry run, verify, export; and what it prints."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import typer
from pydantic import ValidationError
from tqdm import tqdm

from endotwin.catalogue import ChoiceError, choose_checkpoint, with_device
from endotwin.cli.command_line import saying
from endotwin.cli.making import say_model
from endotwin.generator.batch import BatchMaker
from endotwin.generator.card_file import CheckpointError
from endotwin.generator.checkpoint import Checkpoint
from endotwin.generator.device import resolve_device
from endotwin.generator.sampler import sampler_in
from endotwin.samples.labelling import Labelling
from endotwin.samples.layouts.layout import Layout
from endotwin.sets import usual_shard_size
from endotwin.sets.card import conditions_in_words
from endotwin.sets.export import export_set
from endotwin.sets.inspection import inspect_shards
from endotwin.sets.make import SetResult, check_destination, make_set, shard_size_there
from endotwin.sets.manifest import Manifest, SetError, load_manifest
from endotwin.sets.plan import PartError, Shard, choose_part, choose_share, group_by_range, plan_set
from endotwin.sets.progress import ProgressBar, format_bytes, print_note
from endotwin.sets.ray.cluster import check_cluster, connected
from endotwin.sets.ray.workers import RayWorkers
from endotwin.sets.shard import estimate
from endotwin.sets.spec import SetSpec
from endotwin.sets.storage.destination import Destination, StorageError
from endotwin.sets.storage.open_destination import open_destination
from endotwin.sets.storage.place import Place
from endotwin.sets.storage.record import ShardRecord
from endotwin.sets.verify import verify_set
from endotwin.settings import Settings, SettingsError, load_settings

SET_FAILURES = (CheckpointError, OSError, SetError, SettingsError, StorageError)
"""What can fail although the options are valid; each message is for the user."""


@dataclass(frozen=True)
class SetContext:
    """What every task needs: where the set is, and which checkpoint makes it.

    Attributes:
        place: where the set is.
        destination: at that place.
        settings: of the operator.
        model: name of a checkpoint that the service has; None for the one that the service would choose.
        checkpoint_path: a checkpoint file, instead of a name.
        device_option: the option that names the device, for messages; None for the setting.
        thread: the one thread that works with the checkpoint.
        stop_if_asked: called often; what it raises ends the work.
    """

    place: Place
    destination: Destination
    settings: Settings
    model: str | None
    checkpoint_path: Path | None
    device_option: str | None
    thread: Executor
    stop_if_asked: Callable[[], None]

    def checkpoint(self, labelling: Labelling, model: str | None) -> Checkpoint:
        """Load the checkpoint; see `endotwin.catalogue.choose_checkpoint`."""
        work = partial(choose_checkpoint, self.settings, labelling, model, self.checkpoint_path)
        with saying("loading the model"):
            return self.thread.submit(work).result()

    def batch_maker(self, checkpoint: Checkpoint) -> BatchMaker:
        """Move the checkpoint to its device."""
        return sampler_in(self.thread, checkpoint, resolve_device(self.settings.device, self.device_option))


def open_context(
    place: Place,
    *,
    model: str | None,
    checkpoint_path: Path | None,
    device: str | None,
    thread: Executor,
    stop_if_asked: Callable[[], None],
) -> SetContext:
    """Read the settings and open the destination.

    Args:
        place: see `SetContext`, like the others.
        model: name of a checkpoint.
        checkpoint_path: a checkpoint file.
        device: as in the settings; None for what is set there.
        thread: works with the checkpoint.
        stop_if_asked: called often.

    Raises:
        ChoiceError: no device can have that name.
        one of SET_FAILURES: a setting or the AWS configuration is invalid.
    """
    settings = with_device(load_settings(), device)
    destination = open_destination(place, settings, stop_if_asked=stop_if_asked, note=print_note)
    option = None if device is None else "--device"
    return SetContext(place, destination, settings, model, checkpoint_path, option, thread, stop_if_asked)


@dataclass(frozen=True)
class ShardChoice:
    """Which shards: `A:B` of them, or share `I/N`, or all."""

    shards: str | None = None
    share: str | None = None


@dataclass(frozen=True)
class RayOptions:
    """Workers on Ray: where, and how many CPUs each takes; see `endotwin.sets.ray.cluster.connected`."""

    address: str
    cpus: int


def make(
    context: SetContext,
    options: dict[str, Any],
    labelling: Labelling,
    choice: ShardChoice,
    *,
    replace_wrong: bool,
    ray: RayOptions | None = None,
) -> None:
    """Make what is missing of a set.

    Args:
        context: where, and by which checkpoint.
        options: fields of the spec that were given, without those of the labelling.
        labelling: labels and conditions of the images.
        choice: which shards.
        replace_wrong: replace what is damaged or not of the set.
        ray: makes the shards; None for this process.

    Raises:
        ChoiceError: there is no such set or model, or the set has no such shards.
        LabellingError: the model has no labels.
        one of SET_FAILURES: it failed.
    """
    if ray is not None:
        check_cluster(ray.address)
    checkpoint = context.checkpoint(labelling, context.model)
    spec = _build_spec(context, checkpoint, options, labelling)
    shards = _choose_shards(spec, choice)
    result = _make(context, checkpoint, spec, shards, replace_wrong=replace_wrong, ray=ray)
    if result.manifest is None:
        typer.echo(
            f"Other shards of {context.place} are missing: the run that makes the last one finishes the set"
        )
    else:
        _print_summary(context, checkpoint, result.manifest)


def dry_run(
    context: SetContext, options: dict[str, Any], labelling: Labelling, choice: ShardChoice
) -> None:
    """Print what `make` would do, how much it would write and how long it would take; write nothing.

    Args and errors are those of `make`.
    """
    checkpoint = context.checkpoint(labelling, context.model)
    spec = _build_spec(context, checkpoint, options, labelling)
    shards = _choose_shards(spec, choice)
    with saying("looking at what is there"):
        replaced = check_destination(spec, context.destination, distrusted=frozenset(), replace_wrong=True)
        states = inspect_shards(spec, context.destination, shards, stop_if_asked=context.stop_if_asked)
    typer.echo(f"{context.place}: {spec.n} images of seed {spec.seed}, from index {spec.start} on,")
    _print_labelling(spec)
    asked = f"{shards[0].key} to {shards[-1].key}" if shards else "none"
    typer.echo(f"model {spec.model}, in {len(plan_set(spec))} shards, {asked} asked for")
    for name in replaced:
        typer.echo(f"not of this set, replaced only with --replace-wrong: {name}")
    for shard, reason in states.wrong.items():
        typer.echo(f"wrong, made again only with --replace-wrong: {shard.key} ({reason})")
    if not states.to_make:
        typer.echo("all of them are there; only the manifest would be written, if it is missing")
        return
    images = sum(shard.samples for shard in states.to_make)
    maker = context.batch_maker(checkpoint)
    with saying("generating for three seconds, to measure"):
        cost = estimate(maker, spec, next(group_by_range(states.to_make)))
    typer.echo(
        f"to make: {len(states.to_make)} shards with {images} images, about "
        f"{format_bytes(images * cost.bytes)} and {tqdm.format_interval(images * cost.seconds)} on "
        f"{maker.device} ({1 / cost.seconds:.0f} images/s, if storage keeps up)"
    )


def verify(context: SetContext, *, replace_wrong: bool) -> bool:
    """Read a finished set again; return whether it is what its manifest says, if need be after a repair.

    Args:
        context: where, and with `replace_wrong` by which checkpoint.
        replace_wrong: make again what is wrong.

    Raises:
        one of SET_FAILURES: it failed, or there is no finished set.
    """
    manifest = load_manifest(context.destination, str(context.place))
    spec = manifest.spec
    with closing(ProgressBar(spec.n, len(manifest.shards))) as progress:
        problems = verify_set(
            manifest, context.destination, on_images=progress.generated, stop_if_asked=context.stop_if_asked
        )
    for problem in problems:
        typer.echo(f"{problem.key}: {problem.reason}", err=True)
    if not problems:
        typer.echo(
            f"{context.place}: all {len(manifest.shards)} shards and {spec.n} images are as the manifest "
            "says"
        )
        return True
    if not replace_wrong:
        typer.echo(f"{len(problems)} wrong; with --replace-wrong they are made again", err=True)
        return False
    checkpoint = context.checkpoint(spec.labelling, context.model or spec.model)
    if checkpoint.generator_sha256 != spec.generator_sha256:
        raise SetError(
            f"the set was made with a checkpoint of digest {spec.generator_sha256}, and "
            f"{checkpoint.path} has {checkpoint.generator_sha256}; name the right one with --checkpoint"
        )
    distrusted = [problem.key for problem in problems]
    result = _make(context, checkpoint, spec, plan_set(spec), replace_wrong=True, distrusted=distrusted)
    return result.manifest is not None


def export(
    place: Place,
    layout: type[Layout],
    output: Path,
    *,
    labels: Sequence[str],
    validation_every: int | None,
    stop_if_asked: Callable[[], None],
) -> None:
    """Write a finished set as a layout; see `endotwin.sets.export.export_set`, also for errors.

    Raises:
        one of SET_FAILURES: also if there is no finished set.
    """
    destination = open_destination(place, load_settings(), stop_if_asked=stop_if_asked, note=print_note)
    manifest = load_manifest(destination, str(place))
    with closing(ProgressBar(manifest.spec.n, len(manifest.shards))) as progress:
        exported = export_set(
            manifest,
            destination,
            layout,
            output,
            labels=labels,
            validation_every=validation_every,
            on_images=progress.generated,
            stop_if_asked=stop_if_asked,
        )
    typer.echo(f"{exported.images.count} images of {place} in {output}, as {layout.name}")
    typer.echo(f"labels {', '.join(exported.labelling.labels)}; terms: {exported.terms}")


def _build_spec(
    context: SetContext, checkpoint: Checkpoint, options: dict[str, Any], labelling: Labelling
) -> SetSpec:
    model = checkpoint.card.name
    fields = {
        "shard_size": shard_size_there(context.destination) or usual_shard_size(options["n"]),
        "name": f"endotwin-{model}-{options['seed']}",
        **options,
        "labels": labelling.labels or None,
        "conditions": dict(labelling.given) or None,
        "model": model,
        "generator_sha256": checkpoint.generator_sha256,
    }
    try:
        return SetSpec(**fields)
    except ValidationError as error:
        first = error.errors()[0]
        message = first["msg"].removeprefix("Value error, ")
        if not first["loc"]:
            cause = first.get("ctx", {}).get("error")
            raise ChoiceError(message, getattr(cause, "field", None)) from error
        field = str(first["loc"][0])
        about = SetSpec.model_fields[field].description
        option = field.replace("_", "-")
        raise ChoiceError(f"--{option} ({about}): {message}, got {first['input']!r}") from error


def _choose_shards(spec: SetSpec, choice: ShardChoice) -> list[Shard]:
    shards = plan_set(spec)
    try:
        if choice.shards is not None:
            return choose_part(shards, choice.shards)
        return shards if choice.share is None else choose_share(shards, choice.share)
    except PartError as error:
        raise ChoiceError(str(error), "shards" if choice.share is None else "part") from error


def _make(
    context: SetContext,
    checkpoint: Checkpoint,
    spec: SetSpec,
    shards: Sequence[Shard],
    *,
    replace_wrong: bool,
    distrusted: Iterable[str] = (),
    ray: RayOptions | None = None,
) -> SetResult:
    with closing(ProgressBar(sum(shard.samples for shard in shards), len(shards))) as progress:
        on_ray = None if ray is None else partial(_make_on_ray, context, checkpoint, spec, ray, progress)
        result = make_set(
            spec,
            checkpoint.card,
            context.destination,
            partial(context.batch_maker, checkpoint),
            make_shards=on_ray,
            shards=shards,
            replace_wrong=replace_wrong,
            distrusted=distrusted,
            progress=progress,
            stop_if_asked=context.stop_if_asked,
        )
    typer.echo(f"{result.made} shards made, {result.found} were there")
    if result.made:
        typer.echo(f"{progress.rate:.1f} images/s")
    return result


def _make_on_ray(
    context: SetContext,
    checkpoint: Checkpoint,
    spec: SetSpec,
    ray: RayOptions,
    progress: ProgressBar,
    shards: Sequence[Shard],
) -> Iterator[tuple[Shard, ShardRecord | None]]:
    with connected(ray.address) as module:
        yield from RayWorkers(
            module,
            spec,
            checkpoint.path.read_bytes(),
            context.place,
            context.settings,
            context.destination,
            cpus=ray.cpus,
            progress=progress,
            note=print_note,
            stop_if_asked=context.stop_if_asked,
        ).make_all(shards)


def _print_summary(context: SetContext, checkpoint: Checkpoint, manifest: Manifest) -> None:
    spec = manifest.spec
    typer.echo(
        f"{spec.n} images of seed {spec.seed}, from index {spec.start} on, in {len(manifest.shards)} "
        f"shards, {format_bytes(manifest.bytes)}: {context.place} is complete"
    )
    _print_labelling(spec)
    say_model(checkpoint.card)


def _print_labelling(spec: SetSpec) -> None:
    labelling = spec.labelling
    if labelling.labels:
        typer.echo(f"labels {', '.join(labelling.labels)}")
    if labelling.given:
        typer.echo(f"conditions {conditions_in_words(spec)}")
