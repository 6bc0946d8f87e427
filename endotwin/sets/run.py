"""Making a set: what is missing or wrong, from whatever state it is in."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

from endotwin.generator.batch import BatchMaker
from endotwin.generator.card import Card
from endotwin.generator.versions import installed_versions
from endotwin.sets.claim import check_place, claim
from endotwin.sets.finish import finish
from endotwin.sets.manifest import Manifest, SetError
from endotwin.sets.plan import MANIFEST_KEY, Shard, plan_set
from endotwin.sets.shard import write_shard
from endotwin.sets.spec import SetSpec
from endotwin.sets.storage.destination import ContentionError, Destination, Staged, StorageError
from endotwin.sets.storage.record import ShardRecord
from endotwin.sets.survey import WrongObjectError, judge, survey

_ATTEMPTS = 3
"""How often a shard is sent because somebody else takes its unfinished upload away."""

_SHOWN = 5


Maker = Callable[[Sequence[Shard]], int]
"""Makes shards, in their order as far as it can, but those that somebody else makes meanwhile; returns how
many it made. `make_shards` on this machine, `endotwin.sets.ray.shards` on many."""


class Report(Protocol):
    """Who is told how a run goes on. All calls come from the thread that runs."""

    def found(self, shard: Shard) -> None:
        """Tell that a shard is there already."""

    def generated(self, images: int) -> None:
        """Tell that more images were generated."""

    def made(self, shard: Shard, record: ShardRecord) -> None:
        """Tell that a shard is in place."""


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        made: shards that it made.
        found: shards that were there.
        manifest: of the set if it is complete, else None: other parts are still being made.
    """

    made: int
    found: int
    manifest: Manifest | None


def make_set(
    spec: SetSpec,
    card: Card,
    destination: Destination,
    load: Callable[[], BatchMaker],
    *,
    part: Sequence[Shard] | None = None,
    replace_wrong: bool = False,
    distrusted: Iterable[str] = (),
    report: Report,
    stop_if_asked: Callable[[], None],
) -> Outcome:
    """Make what is missing of a set or of a part of it in this process.

    `load` loads the checkpoint, if there is something to make; all else is as for `make_set_by`.
    """
    return make_set_by(
        make_here(spec, destination, load, report=report, stop_if_asked=stop_if_asked),
        spec,
        card,
        destination,
        part=part,
        replace_wrong=replace_wrong,
        distrusted=distrusted,
        report=report,
        stop_if_asked=stop_if_asked,
    )


def make_set_by(
    make: Maker,
    spec: SetSpec,
    card: Card,
    destination: Destination,
    *,
    part: Sequence[Shard] | None = None,
    replace_wrong: bool = False,
    distrusted: Iterable[str] = (),
    report: Report,
    stop_if_asked: Callable[[], None],
) -> Outcome:
    """Make what is missing of a set or of a part of it; then, if every shard is there, finish it.

    Whoever comes last finishes: every run looks for all shards at its end, also one that made only a
    part. If the last two miss each other (on storage that shows new objects late), any further run
    finishes.

    Args:
        make: makes the shards; is called only if there is something to make.
        spec: the set.
        card: of its checkpoint.
        destination: where it goes.
        part: the shards to make; None for all.
        replace_wrong: replace objects under the set's keys that do not belong there.
        distrusted: keys of shards whose content was found wrong.
        report: is told about shards and images.
        stop_if_asked: is called often; what it raises ends the work, in a state that the next run goes on
            from.

    Raises:
        SetError: another set is there, or objects that do not belong to this one, or shards did not stay.
        StorageError: storage failed for good.
    """
    part = plan_set(spec) if part is None else part
    distrusted = set(distrusted)
    replaced = check_place(spec, destination, distrusted=distrusted, replace_wrong=replace_wrong)
    state = survey(spec, destination, part, distrusted=distrusted, stop_if_asked=stop_if_asked)
    if state.wrong and not replace_wrong:
        raise SetError(_describe(state.wrong))
    claim(spec, destination, replaced)
    for shard in state.right:
        report.found(shard)
    made = 0
    if state.to_make:
        if destination.stat(MANIFEST_KEY) is not None:
            destination.delete(MANIFEST_KEY)  # it does not describe what is there from now on
        for shard in state.wrong:
            destination.delete(shard.key)
        # In random order: processes that work on one set at the same time seldom meet.
        order = random.sample(state.to_make, len(state.to_make))
        made = make(order)
    manifest = finish(spec, card, destination, stop_if_asked=stop_if_asked)
    if manifest is None and len(part) == spec.shards:
        raise SetError(
            "all shards were made, and not all are there as they were written: somebody removes or "
            "replaces them, or the storage shows them late or forgets their metadata, as `rclone serve s3` "
            "does when it is started again. Another run says which"
        )
    return Outcome(made, len(part) - made, manifest)


def make_here(
    spec: SetSpec,
    destination: Destination,
    load: Callable[[], BatchMaker],
    *,
    report: Report,
    stop_if_asked: Callable[[], None],
) -> Maker:
    """Return what makes shards in this process; it loads the checkpoint when there is something to make."""

    def make(shards: Sequence[Shard]) -> int:
        return make_shards(spec, shards, load(), destination, report=report, stop_if_asked=stop_if_asked)

    return make


def make_shards(
    spec: SetSpec,
    shards: Iterable[Shard],
    maker: BatchMaker,
    destination: Destination,
    *,
    report: Report,
    stop_if_asked: Callable[[], None],
) -> int:
    """Make shards one after the other; while one is being sent the next is generated.

    Args:
        spec: the set.
        shards: those to make. One that another process has put there meanwhile is left out.
        maker: makes the images.
        destination: where they go.
        report: is told about shards and images.
        stop_if_asked: is called for every batch; what it raises ends the work.

    Returns:
        How many it made.

    Raises:
        SetError: something that is not of this set was put under a shard's key meanwhile.
        StorageError: storage failed for good.
    """
    made = 0
    with ThreadPoolExecutor(1, "storage") as storage:
        sending: tuple[Shard, Future[ShardRecord]] | None = None

        def on_images(count: int) -> None:
            stop_if_asked()
            report.generated(count)

        for shard in shards:
            stop_if_asked()
            if look_at(spec, shard, destination).record is not None:
                report.found(shard)
                continue
            with ExitStack() as undo:
                staged = undo.enter_context(destination.stage(shard.key))
                record = write_staged(spec, shard, maker, staged, on_images)
                if sending is not None:
                    report.made(sending[0], sending[1].result())
                undo.pop_all()
            sending = shard, storage.submit(publish_staged, spec, shard, destination, staged, record)
            made += 1
        if sending is not None:
            report.made(sending[0], sending[1].result())
    return made


def write_staged(
    spec: SetSpec,
    shard: Shard,
    maker: BatchMaker,
    staged: Staged,
    on_images: Callable[[int], None],
) -> ShardRecord:
    """Generate a shard into a staged object; it is not in place yet."""
    digests = write_shard(maker, spec, shard, staged.file, on_images)
    return ShardRecord(
        set_digest=spec.digest,
        size=digests.size,
        sha256=digests.sha256,
        start=shard.images.start,
        samples=shard.images.count,
        pixels_sha256=digests.pixels_sha256,
        device=maker.device,
        **installed_versions(),
    )


def publish_staged(
    spec: SetSpec, shard: Shard, destination: Destination, staged: Staged, record: ShardRecord
) -> ShardRecord:
    """Put a shard in place; return the record of what is there: another process may have been first."""
    with staged:
        for _ in range(_ATTEMPTS):
            there = look_at(spec, shard, destination)
            if there.record is not None:
                return there.record
            with suppress(ContentionError):
                staged.publish(record, replace=there.outgrown)
                return record
    raise StorageError(
        f"{shard.key}: whenever it is written, somebody else writes it or takes it away; "
        "see who that is, and run the same command again"
    )


@dataclass(frozen=True)
class Sight:
    """What is under a shard's key: its record if it is there, or a shorter shard of the same set."""

    record: ShardRecord | None = None
    outgrown: bool = False


def look_at(spec: SetSpec, shard: Shard, destination: Destination) -> Sight:
    """Look whether a shard is there.

    Raises:
        SetError: something that is not of this set is under its key.
    """
    stored = destination.stat(shard.key)
    if stored is None:
        return Sight()
    try:
        record = judge(spec, shard, stored)
    except WrongObjectError as error:
        raise SetError(_describe({shard: str(error)})) from error
    return Sight(record) if record.samples == shard.images.count else Sight(outgrown=True)


def _describe(wrong: Mapping[Shard, str]) -> str:
    listed = "; ".join(f"{shard.key}: {why}" for shard, why in islice(wrong.items(), _SHOWN))
    more = f"; and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
    return f"{listed}{more}. --replace-wrong makes these shards in the place of what is there"
