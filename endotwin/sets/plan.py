"""The shards of a set, and the keys of all its objects."""

from __future__ import annotations

import re
from dataclasses import dataclass

from endotwin.image_range import ImageRange
from endotwin.samples.formats import FORMATS
from endotwin.sets.spec import SetSpec

SHARD_FOLDER = "train/"
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
    """One file of a set: a range of its images, under a key relative to the set's place."""

    number: int
    images: ImageRange
    key: str


def plan_shard(spec: SetSpec, number: int) -> Shard:
    """Return shard `number` of a set, from 0 to spec.shards - 1."""
    first = number * spec.shard_size
    samples = min(spec.shard_size, spec.n - first)
    key = f"{SHARD_FOLDER}shard-{number:06d}{FORMATS[spec.format].suffix}"
    return Shard(number, ImageRange(spec.seed, spec.start + first, samples), key)


def plan_set(spec: SetSpec) -> list[Shard]:
    """Return all shards of a set in order; together they hold each of its images once."""
    return [plan_shard(spec, number) for number in range(spec.shards)]


def choose_part(shards: list[Shard], part: str) -> list[Shard]:
    """Return shards A to B - 1, for `A:B` as Python slices write it.

    An end beyond the last shard is the last: a job that is split evenly need not know the remainder.

    Raises:
        PartError: the text is no such range, or no shard is in it.
    """
    match = _RANGE.fullmatch(part)
    chosen = shards[int(match[1]) : int(match[2])] if match else []
    if not chosen:
        raise PartError(
            f"shards must be A:B with 0 <= A < B and A below {len(shards)}, the number of shards; got "
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
    return shards[index * len(shards) // count : (index + 1) * len(shards) // count]
