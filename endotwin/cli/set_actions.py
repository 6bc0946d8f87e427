"""What `endotwin set` does: make, foretell or verify a set, and say so."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import typer
from pydantic import ValidationError

from endotwin.catalogue import ChoiceError, choose_checkpoint, with_device
from endotwin.generator.batch import BatchMaker
from endotwin.generator.checkpoint import Checkpoint, CheckpointError
from endotwin.generator.device import resolve_device
from endotwin.generator.sampler import sampler_in
from endotwin.samples.labelling import Labelling
from endotwin.samples.layouts.layout import Layout
from endotwin.sets.claim import check_place
from endotwin.sets.documents import conditions_in_words
from endotwin.sets.estimate import estimate
from endotwin.sets.export import export_set
from endotwin.sets.manifest import Manifest, SetError
from endotwin.sets.plan import PartError, Shard, choose_part, choose_share, plan_set
from endotwin.sets.progress import Progress, format_bytes, format_seconds, print_note
from endotwin.sets.ray.cluster import check_cluster, connected
from endotwin.sets.ray.shards import RayShards
from endotwin.sets.run import Outcome, make_here, make_set_by
from endotwin.sets.spec import SetSpec
from endotwin.sets.storage.destination import Destination, StorageError
from endotwin.sets.storage.open_destination import open_destination
from endotwin.sets.storage.place import Place
from endotwin.sets.survey import survey
from endotwin.sets.verify import load_manifest, verify_set
from endotwin.settings import Settings, SettingsError, load_settings

FAILURES = (CheckpointError, OSError, SetError, SettingsError, StorageError)
"""What can go wrong with an order that is valid; each says so in words for the caller."""


@dataclass(frozen=True)
class Desk:
    """What every action needs: where the set is, and which checkpoint makes it."""

    place: Place
    destination: Destination
    settings: Settings
    model: str | None
    checkpoint_path: Path | None
    thread: Executor
    stop_if_asked: Callable[[], None]

    def checkpoint(self, labelling: Labelling, model: str | None) -> Checkpoint:
        """Load the checkpoint; see `endotwin.catalogue.choose_checkpoint`."""
        work = partial(choose_checkpoint, self.settings, labelling, model, self.checkpoint_path)
        return self.thread.submit(work).result()

    def generator(self, checkpoint: Checkpoint) -> BatchMaker:
        """Move the checkpoint to its device."""
        return sampler_in(self.thread, checkpoint, resolve_device(self.settings.device))


def open_desk(
    place: Place,
    *,
    model: str | None,
    checkpoint_path: Path | None,
    device: str | None,
    thread: Executor,
    stop_if_asked: Callable[[], None],
) -> Desk:
    """Read the settings and open the destination.

    Args:
        place: where the set is.
        model: name of a checkpoint that the service has; None for the one that the service would choose.
        checkpoint_path: a checkpoint file, instead of a name.
        device: as in the settings; None for what is set there.
        thread: the one thread that is to work with the checkpoint.
        stop_if_asked: is called often; what it raises ends the work.

    Raises:
        ChoiceError: no device can have that name.
        one of FAILURES: a setting or the AWS configuration makes no sense.
    """
    settings = with_device(load_settings(), device)
    destination = open_destination(place, settings, stop_if_asked=stop_if_asked, note=print_note)
    return Desk(place, destination, settings, model, checkpoint_path, thread, stop_if_asked)


@dataclass(frozen=True)
class Part:
    """Which shards: `A:B` of them, or share `I/N`, or all."""

    shards: str | None = None
    share: str | None = None


@dataclass(frozen=True)
class Cluster:
    """Workers on Ray: where, and how many CPUs each takes; see `endotwin.sets.ray.cluster.connected`."""

    address: str
    cpus: int


def make(
    desk: Desk,
    wanted: dict[str, Any],
    labelling: Labelling,
    chosen: Part,
    *,
    replace_wrong: bool,
    cluster: Cluster | None = None,
) -> None:
    """Make what is missing of a set.

    Args:
        desk: where, and by which checkpoint.
        wanted: fields of the spec that were given, without those of the labelling.
        labelling: what comes with the images, and what they meet.
        chosen: which shards.
        replace_wrong: replace what is damaged or foreign.
        cluster: who makes the shards; None for this process.

    Raises:
        ChoiceError: there is no such set or model, or the set has no such shards.
        LabellingError: the model has no labels.
        one of FAILURES: it went wrong.
    """
    if cluster is not None:
        check_cluster(cluster.address)
    checkpoint = desk.checkpoint(labelling, desk.model)
    spec = _spec(checkpoint, wanted, labelling)
    part = _part(spec, chosen)
    outcome = _run(desk, checkpoint, spec, part, replace_wrong=replace_wrong, cluster=cluster)
    if outcome.manifest is None:
        typer.echo(f"Other shards of {desk.place} are missing: whoever makes the last one finishes the set")
    else:
        _tell(desk, checkpoint, outcome.manifest)


def foretell(desk: Desk, wanted: dict[str, Any], labelling: Labelling, chosen: Part) -> None:
    """Say what `make` would do, how much it would write and how long it would take; write nothing.

    Args and errors are those of `make`.
    """
    checkpoint = desk.checkpoint(labelling, desk.model)
    spec = _spec(checkpoint, wanted, labelling)
    part = _part(spec, chosen)
    replaced = check_place(spec, desk.destination, distrusted=frozenset(), replace_wrong=True)
    state = survey(spec, desk.destination, part, stop_if_asked=desk.stop_if_asked)
    typer.echo(f"{desk.place}: {spec.n} images of seed {spec.seed}, from index {spec.start} on,")
    _tell_labelling(spec)
    asked = f"{part[0].key} to {part[-1].key}" if part else "none"
    typer.echo(f"model {spec.model}, in {spec.shards} shards, {asked} asked for")
    for name in replaced:
        typer.echo(f"not of this set, replaced only with --replace-wrong: {name}")
    for shard, reason in state.wrong.items():
        typer.echo(f"wrong, made again only with --replace-wrong: {shard.key} ({reason})")
    if not state.to_make:
        typer.echo("all of them are there; only the manifest would be written, if it is missing")
        return
    images = sum(shard.images.count for shard in state.to_make)
    generator = desk.generator(checkpoint)
    cost = estimate(generator, spec, state.to_make[0])
    typer.echo(
        f"to make: {len(state.to_make)} shards with {images} images, about "
        f"{format_bytes(images * cost.bytes)} and {format_seconds(images * cost.seconds)} on "
        f"{generator.device} "
        f"({1 / cost.seconds:.0f} images/s, if storage keeps up)"
    )


def verify(desk: Desk, *, replace_wrong: bool) -> bool:
    """Read a finished set again; return whether it is what its manifest says, if need be after a repair.

    Args:
        desk: where, and with `replace_wrong` by which checkpoint.
        replace_wrong: make anew what is wrong.

    Raises:
        one of FAILURES: it went wrong, or there is no finished set.
    """
    manifest = load_manifest(desk.destination, str(desk.place))
    spec = manifest.spec
    progress = Progress(spec.n, spec.shards)
    try:
        problems = verify_set(
            manifest, desk.destination, on_images=progress.generated, stop_if_asked=desk.stop_if_asked
        )
    finally:
        progress.close()
    for problem in problems:
        typer.echo(f"{problem.key}: {problem.reason}", err=True)
    if not problems:
        typer.echo(f"{desk.place}: all {spec.shards} shards and {spec.n} images are as the manifest says")
        return True
    if not replace_wrong:
        typer.echo(f"{len(problems)} wrong; with --replace-wrong they are made again", err=True)
        return False
    checkpoint = desk.checkpoint(spec.labelling, desk.model or spec.model)
    if checkpoint.generator_sha256 != spec.generator_sha256:
        raise SetError(
            f"the set was made with a checkpoint of digest {spec.generator_sha256}, and "
            f"{checkpoint.path} has "
            f"{checkpoint.generator_sha256}; name the right one with --checkpoint"
        )
    distrusted = [problem.key for problem in problems]
    outcome = _run(desk, checkpoint, spec, plan_set(spec), replace_wrong=True, distrusted=distrusted)
    return outcome.manifest is not None


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
        one of FAILURES: also if there is no finished set.
    """
    destination = open_destination(place, load_settings(), stop_if_asked=stop_if_asked, note=print_note)
    manifest = load_manifest(destination, str(place))
    progress = Progress(manifest.spec.n, len(manifest.shards))
    try:
        wanted = export_set(
            manifest,
            destination,
            layout,
            output,
            labels=labels,
            validation_every=validation_every,
            on_images=progress.generated,
            stop_if_asked=stop_if_asked,
        )
    finally:
        progress.close()
    typer.echo(f"{wanted.images.count} images of {place} in {output}, as {layout.name}")
    typer.echo(f"labels {', '.join(wanted.labelling.labels)}; terms: {wanted.terms}")


def _spec(checkpoint: Checkpoint, wanted: dict[str, Any], labelling: Labelling) -> SetSpec:
    model = checkpoint.card.name
    wanted = {**wanted, "labels": labelling.labels or None, "conditions": dict(labelling.given) or None}
    name = f"endotwin-{model}-{wanted['seed']}"
    try:
        return SetSpec(
            **{"name": name, **wanted, "model": model, "generator_sha256": checkpoint.generator_sha256}
        )
    except ValidationError as error:
        first = error.errors()[0]
        message = first["msg"].removeprefix("Value error, ")
        if not first["loc"]:
            raise ChoiceError(message) from error
        field = str(first["loc"][0])
        about = SetSpec.model_fields[field].description
        option = field.replace("_", "-")
        raise ChoiceError(f"--{option} ({about}): {message}, got {first['input']!r}") from error


def _part(spec: SetSpec, chosen: Part) -> list[Shard]:
    shards = plan_set(spec)
    try:
        if chosen.shards is not None:
            return choose_part(shards, chosen.shards)
        return shards if chosen.share is None else choose_share(shards, chosen.share)
    except PartError as error:
        raise ChoiceError(str(error)) from error


def _run(
    desk: Desk,
    checkpoint: Checkpoint,
    spec: SetSpec,
    part: Sequence[Shard],
    *,
    replace_wrong: bool,
    distrusted: Iterable[str] = (),
    cluster: Cluster | None = None,
) -> Outcome:
    progress = Progress(sum(shard.images.count for shard in part), len(part))

    def make_there(cluster: Cluster, shards: Sequence[Shard]) -> int:
        with connected(cluster.address) as ray:
            return RayShards(
                ray,
                spec,
                checkpoint.path.read_bytes(),
                desk.place,
                desk.settings,
                desk.destination,
                cpus=cluster.cpus,
                report=progress,
                note=print_note,
                stop_if_asked=desk.stop_if_asked,
            ).make(shards)

    here = make_here(
        spec,
        desk.destination,
        partial(desk.generator, checkpoint),
        report=progress,
        stop_if_asked=desk.stop_if_asked,
    )
    try:
        outcome = make_set_by(
            here if cluster is None else partial(make_there, cluster),
            spec,
            checkpoint.card,
            desk.destination,
            part=part,
            replace_wrong=replace_wrong,
            distrusted=distrusted,
            report=progress,
            stop_if_asked=desk.stop_if_asked,
        )
    finally:
        progress.close()
    typer.echo(f"{outcome.made} shards made, {outcome.found} were there")
    if outcome.made:
        typer.echo(f"{progress.rate:.1f} images/s")
    return outcome


def _tell(desk: Desk, checkpoint: Checkpoint, manifest: Manifest) -> None:
    spec, card = manifest.spec, checkpoint.card
    fid = "not recorded" if card.fid is None else f"{card.fid.generated_training.fid:.2f}"
    typer.echo(
        f"{spec.n} images of seed {spec.seed}, from index {spec.start} on, in {len(manifest.shards)} "
        "shards, "
        f"{format_bytes(manifest.bytes)}: {desk.place} is complete"
    )
    _tell_labelling(spec)
    typer.echo(f"model {card.name}, recorded FID {fid}, terms: {card.data.terms}")


def _tell_labelling(spec: SetSpec) -> None:
    labelling = spec.labelling
    if labelling.labels:
        typer.echo(f"labels {', '.join(labelling.labels)}")
    if labelling.given:
        typer.echo(f"conditions {conditions_in_words(spec)}")
