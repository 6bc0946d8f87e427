"""Make a set: what is missing or wrong, from whatever state it is in."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from itertools import chain
from typing import Protocol

from endotwin.generator.batch import BatchMaker
from endotwin.generator.card import Card
from endotwin.sets.documents import build_documents, is_written, spec_file, write_document
from endotwin.sets.inspection import describe_wrong, inspect_shards, unexpected_keys
from endotwin.sets.manifest import DocumentEntry, Manifest, SetError, ShardEntry
from endotwin.sets.plan import DOCUMENT_KEYS, MANIFEST_KEY, SPEC_KEY, Shard, group_by_range, plan_set
from endotwin.sets.shard_maker import ShardMaker
from endotwin.sets.spec import SetSpec
from endotwin.sets.storage.destination import Destination
from endotwin.sets.storage.record import ShardRecord

MakeShards = Callable[[Sequence[Shard]], Iterator[tuple[Shard, ShardRecord | None]]]
"""Makes shards, in their order as far as it can, and yields each with its record, or with None if another
process has made it meanwhile, as `endotwin.sets.ray.workers.RayWorkers.make_all` does."""


class SetProgress(Protocol):
    """Gets the progress of a set. `generated` may be called from other threads than the rest."""

    def found(self, shard: Shard) -> None:
        """Count a shard that was there already."""

    def generated(self, images: int) -> None:
        """Count images that were generated."""

    def made(self, shard: Shard, record: ShardRecord) -> None:
        """Count a shard that was made and is in place."""


@dataclass(frozen=True)
class SetResult:
    """What `make_set` did.

    Attributes:
        made: number of shards that it made.
        found: number of shards that were there.
        manifest: of the set if it is complete, else None: other shards are still missing.
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
    make_shards: MakeShards | None = None,
    shards: Sequence[Shard] | None = None,
    replace_wrong: bool = False,
    distrusted: Iterable[str] = (),
    progress: SetProgress,
    stop_if_asked: Callable[[], None],
) -> SetResult:
    """Make what is missing of a set or of some of its shards; then, if every shard is there, finish it.

    Every run looks at its end for all shards, also one that made only some: so the last one finishes the
    set. If the last two miss each other (on storage that shows new objects late), any further run finishes.

    Args:
        spec: the set.
        card: of its checkpoint.
        destination: where it goes.
        load: loads the checkpoint in this process; called if it makes a shard.
        make_shards: makes the shards of this set at this destination elsewhere; None for this process.
        shards: those to make; None for all.
        replace_wrong: replace objects under the set's keys that are not of the set.
        distrusted: keys of files whose content was found wrong.
        progress: gets shards, and from this process images.
        stop_if_asked: called often; what it raises ends the work, in a state that the next run continues
            from.

    Raises:
        SetError: another set is there, or objects that are not of this one, or shards did not stay.
        StorageError: storage failed for good.
    """
    shards = plan_set(spec) if shards is None else shards
    distrusted = set(distrusted)
    replaced = check_destination(spec, destination, distrusted=distrusted, replace_wrong=replace_wrong)
    states = inspect_shards(spec, destination, shards, distrusted=distrusted, stop_if_asked=stop_if_asked)
    if states.wrong and not replace_wrong:
        raise SetError(describe_wrong(states.wrong))
    mark_destination(spec, destination, replaced)
    for shard in states.complete:
        progress.found(shard)
    made = 0
    if make_shards is None:
        maker = ShardMaker(
            spec, destination, load, on_images=progress.generated, stop_if_asked=stop_if_asked
        )
        make_shards = maker.make_all
    if states.to_make:
        if destination.stat(MANIFEST_KEY) is not None:
            destination.delete(MANIFEST_KEY)  # it does not describe what is there from now on
        for shard in states.wrong:
            destination.delete(shard.key)
        # In random order: processes that work on one set at the same time seldom meet.
        groups = list(group_by_range(states.to_make))
        random.shuffle(groups)
        for shard, record in make_shards(list(chain.from_iterable(groups))):
            if record is None:
                progress.found(shard)
            else:
                made += 1
                progress.made(shard, record)
    manifest = _finish(spec, card, destination, stop_if_asked)
    if manifest is None and len(shards) == len(plan_set(spec)):
        raise SetError(
            "all shards were made, and not all are there as they were written: another process removes or "
            "replaces them, or the storage shows them late or loses their metadata, as `rclone serve s3` "
            "does when it is restarted. Another run says which"
        )
    return SetResult(made, len(shards) - made, manifest)


def check_destination(
    spec: SetSpec, destination: Destination, *, distrusted: Set[str], replace_wrong: bool
) -> list[str]:
    """Check that a destination is free or holds (a part of) this very set. Shards are not looked at.

    Writes nothing.

    Args:
        spec: the set.
        destination: where it goes.
        distrusted: keys of files whose content was found wrong.
        replace_wrong: whether files with the names of the set's documents may be replaced.

    Returns:
        The keys of documents that are to be replaced.

    Raises:
        SetError: another set is there, or files that writing this one would destroy or mix with it.
        StorageError: storage fails.
    """
    _check_mark(spec, destination)
    unexpected = unexpected_keys(spec, destination)
    if unexpected:
        count = len(plan_set(spec))
        raise SetError(
            f"{', '.join(unexpected)}: not among the {count} shards of this set, but readers would take "
            "them for some. If they are of the same set, ask for as many images as it has or more "
            "(a set only grows); else remove them or choose another destination"
        )
    names = [*DOCUMENT_KEYS, MANIFEST_KEY]
    wrong = [key for key in names if key in distrusted or not _is_free(spec, destination, key)]
    if wrong and not replace_wrong:
        raise SetError(
            f"{', '.join(wrong)}: there already, and not of this set. Choose another destination, or let "
            "--replace-wrong replace what is there"
        )
    return wrong


def shard_size_there(destination: Destination) -> int | None:
    """Return the images of a shard of the set that is at a destination, finished or not; None without one.

    Raises:
        StorageError: storage fails.
    """
    stored = destination.stat(SPEC_KEY)
    if stored is None or stored.record is None:
        return None
    try:
        size = json.loads(b"".join(destination.read(SPEC_KEY)))["shard_size"]
    except (KeyError, TypeError, ValueError):
        return None  # damaged: checking the destination says so
    return size if isinstance(size, int) else None


def mark_destination(spec: SetSpec, destination: Destination, wrong: Iterable[str] = ()) -> None:
    """Remove wrong documents, and write set.json, which marks a destination as this set's.

    Raises:
        SetError: another process marked it for another set at the same moment.
        StorageError: storage fails.
    """
    for key in wrong:
        destination.delete(MANIFEST_KEY)
        destination.delete(key)
    write_document(spec, destination, SPEC_KEY, spec_file(spec))
    _check_mark(spec, destination)


def _check_mark(spec: SetSpec, destination: Destination) -> None:
    stored = destination.stat(SPEC_KEY)
    if stored is None or stored.record is None or stored.record.set_digest == spec.digest:
        return
    content = b"".join(destination.read(SPEC_KEY))
    try:
        there = dict(json.loads(content))
    except (TypeError, ValueError) as error:
        raise SetError(f"{SPEC_KEY} is damaged: remove it, or choose another destination") from error
    here = spec.identity
    differences = "; ".join(
        f"{name} is {there.get(name)!r} there and {here.get(name)!r} here"
        for name in sorted(there.keys() | here.keys())
        if there.get(name) != here.get(name)
    )
    raise SetError(f"another set is there: {differences}. Choose another destination")


def _is_free(spec: SetSpec, destination: Destination, key: str) -> bool:
    stored = destination.stat(key)
    return stored is None or (stored.record is not None and stored.record.set_digest == spec.digest)


def _finish(
    spec: SetSpec, card: Card, destination: Destination, stop_if_asked: Callable[[], None]
) -> Manifest | None:
    """Write the documents of a set and then its manifest, if all its shards are there.

    Also removes what killed processes left behind. Two processes that finish at once write the same.

    Returns:
        The manifest; None if the set is not complete, and then nothing was written.

    Raises:
        SetError: the set there has more images.
        StorageError: storage fails.
    """
    states = inspect_shards(spec, destination, plan_set(spec), stop_if_asked=stop_if_asked)
    if states.to_make or unexpected_keys(spec, destination):
        return None
    destination.discard_unfinished()
    shards = [ShardEntry.of(shard, record) for shard, record in states.complete.items()]
    files = build_documents(spec, card, shards)
    entries = [
        DocumentEntry(key=key, bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
        for key, content in files.items()
    ]
    manifest = Manifest.of(spec, shards, entries)
    files[MANIFEST_KEY] = manifest.to_json()
    changed = [key for key, content in files.items() if not is_written(spec, destination, key, content)]
    if changed:
        destination.delete(MANIFEST_KEY)
    for key in changed:
        stop_if_asked()
        write_document(spec, destination, key, files[key])
    if changed and MANIFEST_KEY not in changed:
        write_document(spec, destination, MANIFEST_KEY, files[MANIFEST_KEY])
    return manifest
