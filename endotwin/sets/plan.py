"""The shards of a set, and the keys of all its objects."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from endotwin.image_range import ImageRange
from endotwin.samples.formats import FORMATS
from endotwin.samples.validation import count_validation, is_validation
from endotwin.sets.spec import SetSpec

TRAIN_FOLDER = "train/"
VALIDATION_FOLDER = "validation/"
SPEC_KEY = "set.json"
README_KEY = "README.md"
TERMS_KEY = "LICENSE"
CROISSANT_KEY = "croissant.json"
SUMS_KEY = "SHA256SUMS"
MANIFEST_KEY = "manifest.json"
DOCUMENT_KEYS = (SPEC_KEY, TERMS_KEY, README_KEY, CROISSANT_KEY, SUMS_KEY)
"""Every file of a set but its shards and its manifest, in the order they are written."""

_RANGE = re.compile(r"([0-9]{1,7}):([0-9]{1,7})")
_SHARE = re.compile(r"([0-9]{1,7})/([0-9]{1,7})")


class PartError(ValueError):
    """A choice of shards that a set does not have; the message says which it has."""


@dataclass(frozen=True, order=True)
class Shard:
    """One file of a set: images of a range, under a key relative to the set's place.

    Attributes:
        number: of the range; the shards for training and for validation of a range have the same.
        images: the range.
        key: of the file.
        validation_every: None if it holds all images of the range, else see `SetSpec`.
        is_validation: whether it holds those for validation.
    """

    number: int
    images: ImageRange
    key: str
    validation_every: int | None = None
    is_validation: bool = False

    def holds(self, index: int) -> bool:
        """Return whether an image of the range is in it."""
        return is_validation(index, self.validation_every) == self.is_validation

    @property
    def indices(self) -> Iterator[int]:
        """The indices of its images, ascending."""
        return filter(self.holds, self.images.indices)

    @property
    def start(self) -> int:
        """Index of its first image."""
        return next(self.indices)

    @property
    def samples(self) -> int:
        """Number of its images."""
        held_out = count_validation(self.images, self.validation_every)
        return held_out if self.is_validation else self.images.count - held_out


def group_by_range(shards: Iterable[Shard]) -> Iterator[list[Shard]]:
    """Yield neighbours that are of the same range together: their images are generated once for both.

    The last shard of a range ends its group without a look at the next one: who lists them may stop there.
    """
    group: list[Shard] = []
    for shard in shards:
        if group and group[0].number != shard.number:
            yield group
            group = []
        group.append(shard)
        if shard.validation_every is None or shard.is_validation:
            yield group
            group = []
    if group:
        yield group


def plan_range(spec: SetSpec, number: int) -> list[Shard]:
    """Return the shards of range `number` of a set: one, or one for each part that it has images of."""
    first = number * spec.shard_size
    images = ImageRange(spec.seed, spec.start + first, min(spec.shard_size, spec.n - first))
    name = f"shard-{number:06d}{FORMATS[spec.format].suffix}"
    every = spec.validation_every
    parts = [
        Shard(number, images, f"{TRAIN_FOLDER}{name}", every),
        Shard(number, images, f"{VALIDATION_FOLDER}{name}", every, is_validation=True),
    ]
    return [shard for shard in parts if shard.samples]


def plan_set(spec: SetSpec) -> list[Shard]:
    """Return all shards of a set in order; together they hold each of its images once."""
    return [shard for number in range(spec.shards) for shard in plan_range(spec, number)]


def choose_part(shards: list[Shard], part: str) -> list[Shard]:
    """Return the shards numbered A to B - 1, for `A:B` as Python slices write it.

    An end beyond the last shard is the last: a job that is split evenly need not know the remainder.

    Raises:
        PartError: the text is no such range, or no shard is in it.
    """
    match = _RANGE.fullmatch(part)
    wanted = range(int(match[1]), int(match[2])) if match else range(0)
    chosen = [shard for shard in shards if shard.number in wanted]
    if not chosen:
        raise PartError(
            f"shards must be A:B with 0 <= A < B and A below {_count(shards)}, the number of shards; got "
            f"{part!r}"
        )
    return chosen


def choose_share(shards: list[Shard], share: str) -> list[Shard]:
    """Return share I of N, for `I/N` with I from 0 to N - 1: neighbours, as many in each, give or take one.

    Together the N shares hold each shard once. Some are empty if N is larger than the number of shards.

    Raises:
        PartError: the text is no such share.
    """
    match = _SHARE.fullmatch(share)
    index, count = (int(match[1]), int(match[2])) if match else (0, 0)
    if index >= count:
        raise PartError(f"a part must be I/N with 0 <= I < N, part I of N equal ones; got {share!r}")
    numbers = _count(shards)
    wanted = range(index * numbers // count, (index + 1) * numbers // count)
    return [shard for shard in shards if shard.number in wanted]


def _count(shards: list[Shard]) -> int:
    return shards[-1].number + 1
