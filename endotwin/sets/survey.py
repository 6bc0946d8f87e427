"""What is there already of a set, and what of it can be kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice

from endotwin.sets.manifest import SetError
from endotwin.sets.plan import SHARD_FOLDER, Shard, plan_set
from endotwin.sets.spec import SetSpec
from endotwin.sets.storage.destination import Destination, Stored
from endotwin.sets.storage.record import ShardRecord

_REQUESTS_AT_ONCE = 16
_SHOWN = 5


class WrongObjectError(Exception):
    """An object under a shard's key that is not that shard; the message says why."""


@dataclass
class Survey:
    """The shards of a set, or of a part of it, by what has to be done.

    Attributes:
        right: there, with their records.
        missing: not there.
        outgrown: the last shard of the same set when it was smaller, to be replaced by a fuller one.
        wrong: something else under the shard's key, with the reason.
    """

    right: dict[Shard, ShardRecord] = field(default_factory=dict)
    missing: list[Shard] = field(default_factory=list)
    outgrown: list[Shard] = field(default_factory=list)
    wrong: dict[Shard, str] = field(default_factory=dict)

    @property
    def to_make(self) -> list[Shard]:
        """Everything that is not right."""
        return sorted([*self.missing, *self.outgrown, *self.wrong])


def judge(spec: SetSpec, shard: Shard, stored: Stored) -> ShardRecord:
    """Return the record of a stored shard, which may be shorter than the shard now is.

    The bytes are not read: this trusts the record that was stored with them, and their number.

    Raises:
        WrongObjectError: it is not that shard.
        SetError: it is a longer one: the set there has more images.
    """
    record = stored.record
    if not isinstance(record, ShardRecord):
        raise WrongObjectError("it has no record of Endotwin's")
    if record.set_digest != spec.digest or record.start != shard.images.start:
        raise WrongObjectError("its record says that it is part of another set")
    if record.size != stored.size:
        raise WrongObjectError(f"it has {stored.size} bytes instead of {record.size}")
    if record.samples > shard.images.count:
        raise SetError(
            f"{shard.key} holds {record.samples} images, more than the {shard.images.count} that "
            f"n = {spec.n} leaves for it: the set there is larger, and a set only grows"
        )
    return record


def survey(
    spec: SetSpec,
    destination: Destination,
    shards: Sequence[Shard],
    *,
    distrusted: Iterable[str] = (),
    stop_if_asked: Callable[[], None] = lambda: None,
) -> Survey:
    """Look at every shard, several at a time.

    Args:
        spec: the set.
        destination: where it is.
        shards: those to look at.
        distrusted: keys of shards whose content was found wrong, whatever their record says.
        stop_if_asked: is called for every shard; what it raises ends the work.

    Raises:
        SetError: the set there has more images.
        StorageError: storage fails.
    """
    result = Survey()
    distrusted = set(distrusted)
    with ThreadPoolExecutor(_REQUESTS_AT_ONCE) as threads:
        found = threads.map(destination.stat, [shard.key for shard in shards])
        for shard, stored in zip(shards, found, strict=True):
            stop_if_asked()
            if stored is None:
                result.missing.append(shard)
                continue
            try:
                record = judge(spec, shard, stored)
            except WrongObjectError as error:
                result.wrong[shard] = str(error)
                continue
            if shard.key in distrusted:
                result.wrong[shard] = "its content is not what its record says"
            elif record.samples < shard.images.count:
                result.outgrown.append(shard)
            else:
                result.right[shard] = record
    return result


def unexpected_keys(spec: SetSpec, destination: Destination) -> list[str]:
    """Return keys among the shards that are no shard of the set: readers would take them for some."""
    expected = {shard.key for shard in plan_set(spec)}
    strange = (key for key in destination.list_keys(SHARD_FOLDER) if key not in expected)
    return list(islice(strange, _SHOWN))
