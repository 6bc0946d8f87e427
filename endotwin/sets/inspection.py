"""Look at the shards of a set that are there, and decide which can be kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain, islice

from endotwin.sets.manifest import SetError
from endotwin.sets.plan import TRAIN_FOLDER, VALIDATION_FOLDER, Shard, plan_set
from endotwin.sets.spec import SetSpec
from endotwin.sets.storage.destination import Destination, Stored
from endotwin.sets.storage.record import ShardRecord

_REQUESTS_AT_ONCE = 16
_SHOWN = 5


class WrongShardError(Exception):
    """An object under a shard's key that is not that shard; the message says why."""


@dataclass
class ShardStates:
    """The shards of a set, or of a part of it, by what has to be done.

    Attributes:
        complete: there, with their records.
        missing: not there.
        too_short: the last shard of the same set when it was smaller, to be replaced by a fuller one.
        wrong: something else under the shard's key, with the reason.
    """

    complete: dict[Shard, ShardRecord] = field(default_factory=dict)
    missing: list[Shard] = field(default_factory=list)
    too_short: list[Shard] = field(default_factory=list)
    wrong: dict[Shard, str] = field(default_factory=dict)

    @property
    def to_make(self) -> list[Shard]:
        """All shards that are not complete."""
        return sorted([*self.missing, *self.too_short, *self.wrong])


def inspect_shards(
    spec: SetSpec,
    destination: Destination,
    shards: Sequence[Shard],
    *,
    distrusted: Iterable[str] = (),
    stop_if_asked: Callable[[], None] = lambda: None,
) -> ShardStates:
    """Look at every shard, several at a time.

    The bytes are not read: this trusts the records that are stored with them, and their number.

    Args:
        spec: the set.
        destination: where it is.
        shards: those to look at.
        distrusted: keys of shards whose content was found wrong, whatever their record says.
        stop_if_asked: called for every shard; what it raises ends the work.

    Raises:
        SetError: the set there has more images.
        StorageError: storage fails.
    """
    states = ShardStates()
    distrusted = set(distrusted)
    with ThreadPoolExecutor(_REQUESTS_AT_ONCE) as threads:
        found = threads.map(destination.stat, [shard.key for shard in shards])
        for shard, stored in zip(shards, found, strict=True):
            stop_if_asked()
            if stored is None:
                states.missing.append(shard)
                continue
            try:
                record = _check_record(spec, shard, stored)
            except WrongShardError as error:
                states.wrong[shard] = str(error)
                continue
            if shard.key in distrusted:
                states.wrong[shard] = "its content is not what its record says"
            elif record.samples < shard.samples:
                states.too_short.append(shard)
            else:
                states.complete[shard] = record
    return states


def find_shard(spec: SetSpec, shard: Shard, destination: Destination) -> ShardRecord | None:
    """Return the record of a shard, which may hold fewer images than it now should; None if it is missing.

    Raises:
        SetError: something that is not of this set is under its key, or the set there has more images.
        StorageError: storage fails.
    """
    stored = destination.stat(shard.key)
    if stored is None:
        return None
    try:
        return _check_record(spec, shard, stored)
    except WrongShardError as error:
        raise SetError(describe_wrong({shard: str(error)})) from error


def unexpected_keys(spec: SetSpec, destination: Destination) -> list[str]:
    """Return keys among the shards that are no shard of the set: readers would take them for some."""
    expected = {shard.key for shard in plan_set(spec)}
    folders = (TRAIN_FOLDER,) if spec.validation_every is None else (TRAIN_FOLDER, VALIDATION_FOLDER)
    there = chain.from_iterable(map(destination.list_keys, folders))
    unexpected = (key for key in there if key not in expected)
    return list(islice(unexpected, _SHOWN))


def describe_wrong(wrong: Mapping[Shard, str]) -> str:
    """Return an error message that names the first wrong shards and what to do about them."""
    listed = "; ".join(f"{shard.key}: {why}" for shard, why in islice(wrong.items(), _SHOWN))
    more = f"; and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
    return f"{listed}{more}. --replace-wrong makes these shards in the place of what is there"


def _check_record(spec: SetSpec, shard: Shard, stored: Stored) -> ShardRecord:
    """Return the record of a stored shard, which may be shorter than the shard now is.

    Raises:
        WrongShardError: it is not that shard.
        SetError: it is a longer one: the set there has more images.
    """
    record = stored.record
    if not isinstance(record, ShardRecord):
        raise WrongShardError("it has no record of Endotwin's")
    if record.set_digest != spec.digest or record.start != shard.start:
        raise WrongShardError("its record says that it is part of another set")
    if record.size != stored.size:
        raise WrongShardError(f"it has {stored.size} bytes instead of {record.size}")
    if record.samples > shard.samples:
        raise SetError(
            f"{shard.key} holds {record.samples} images, more than the {shard.samples} that "
            f"n = {spec.n} leaves for it: the set there is larger, and a set only grows"
        )
    return record
