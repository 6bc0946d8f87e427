"""Which images go into which shard."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from endotwin.image_range import MAX_INDEX, MAX_SEED
from endotwin.sets.plan import PartError, choose_part, choose_share, plan_set
from endotwin.sets.spec import SetSpec

SIZES = st.integers(1, 50)


def spec(**fields: object) -> SetSpec:
    usual = {"name": "a", "n": 10, "seed": 7, "model": "m", "generator_sha256": "0" * 64}
    return SetSpec(**{**usual, **fields})


@given(n=st.integers(1, 500), start=st.integers(0, MAX_INDEX - 500), size=SIZES)
def test_shards_hold_every_image_once_and_sort(n: int, start: int, size: int) -> None:
    shards = plan_set(spec(n=n, start=start, shard_size=size))
    indices = [
        index
        for shard in shards
        for index in range(shard.images.start, shard.images.start + shard.images.count)
    ]
    assert indices == list(range(start, start + n))
    assert {shard.images.count for shard in shards[:-1]} <= {size}
    keys = [shard.key for shard in shards]
    assert keys == sorted(set(keys))
    assert [shard.number for shard in shards] == list(range(len(shards)))


@given(n=st.integers(1, 300), more=st.integers(0, 300), size=SIZES)
def test_a_larger_set_keeps_the_full_shards(n: int, more: int, size: int) -> None:
    small, large = spec(n=n, shard_size=size), spec(n=n + more, shard_size=size)
    assert small.digest == large.digest
    full = [shard for shard in plan_set(small) if shard.images.count == size]
    assert plan_set(large)[: len(full)] == full


@given(cuts=st.lists(st.integers(1, 39), unique=True))
def test_parts_put_together_are_the_set(cuts: list[int]) -> None:
    shards = plan_set(spec(n=40, shard_size=1))
    edges = [0, *sorted(cuts), 40]
    parts = [choose_part(shards, f"{a}:{b}") for a, b in itertools.pairwise(edges)]
    assert [shard for part in parts for shard in part] == shards


def test_an_end_beyond_the_last_shard_is_the_last() -> None:
    shards = plan_set(spec(n=10, shard_size=3))
    assert choose_part(shards, "2:100") == shards[2:]


@pytest.mark.parametrize(
    "part", ["", ":", "1", "1:1", "2:1", "4:5", "-1:2", "1:x", "1:2:3", "0:٣", "9" * 99]
)
def test_what_is_no_part_is_refused(part: str) -> None:
    with pytest.raises(PartError, match="A below 4, the number of shards"):
        choose_part(plan_set(spec(n=10, shard_size=3)), part)


@pytest.mark.parametrize(
    "change",
    [
        {"name": "b"},
        {"seed": 8},
        {"start": 1},
        {"model": "n"},
        {"generator_sha256": "1" * 64},
        {"format": "zip"},
        {"shard_size": 9},
        {"validation_every": 5},
        {"labels": ("borders",)},
        {"conditions": {"density": "2000"}},
    ],
)
def test_what_changes_bytes_changes_the_digest(change: dict[str, object]) -> None:
    assert spec(**change).digest != spec().digest


def test_a_plain_set_keeps_its_digest_when_fields_are_added() -> None:
    digest = "62bb3db89d428d4a73bedcd10ca6ad514352436175f8714df22217d5e4f5bfad"
    assert spec().digest == digest


@pytest.mark.parametrize(
    "wrong",
    [
        {"n": 0},
        {"n": MAX_INDEX + 2},
        {"seed": -1},
        {"seed": MAX_SEED + 1},
        {"start": MAX_INDEX, "n": 2},
        {"shard_size": 0},
        {"n": 2_000_000, "shard_size": 1},
        {"name": "Upper Case"},
        {"name": "a/b"},
        {"format": "npy"},
        {"validation_every": 1},
        {"validation_every": 11},
        {"colour": "red"},
        {"labels": ()},
        {"labels": ("border",)},
        {"labels": ("instances", "borders")},
        {"conditions": {}},
        {"conditions": {"colour": "red"}},
        {"conditions": {"density": "2000.0"}},
        {"conditions": {"density": "9000"}},
    ],
)
def test_what_cannot_be_made_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        spec(**wrong)


@given(n=st.integers(1, 300), size=SIZES, count=st.integers(1, 60))
def test_shares_hold_every_shard_once_and_are_equal(n: int, size: int, count: int) -> None:
    shards = plan_set(spec(n=n, shard_size=size))
    shares = [choose_share(shards, f"{index}/{count}") for index in range(count)]
    assert [shard for share in shares for shard in share] == shards
    lengths = {len(share) for share in shares}
    assert max(lengths) - min(lengths) <= 1


@pytest.mark.parametrize("share", ["", "1", "4/4", "0/0", "-1/4", "1/4/2", "1:4", "1/12345678"])
def test_what_is_no_share_is_refused(share: str) -> None:
    with pytest.raises(PartError, match="a part must be I/N with 0 <= I < N"):
        choose_share(plan_set(spec(n=10, shard_size=3)), share)
