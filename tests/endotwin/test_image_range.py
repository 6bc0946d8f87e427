"""A range of images: its limits, and its parts in aligned batches."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from endotwin.image_range import BATCH, MAX_INDEX, MAX_SEED, ImageRange, ImageRangeError


@given(st.integers(0, MAX_INDEX - 5_000), st.integers(1, 5_000))
def test_parts_cover_a_range_once_and_in_order(start: int, count: int) -> None:
    images = ImageRange(MAX_SEED, start, count)
    parts = list(images.parts())
    assert (parts[0].start, parts[-1].last) == (start, images.last)
    assert all(after.start == before.last + 1 for before, after in pairwise(parts))
    assert {part.start // BATCH == part.last // BATCH for part in parts} == {True}
    assert {part.seed for part in parts} == {MAX_SEED}
    assert sum(part.count for part in parts) == count == len(images.indices)


@pytest.mark.parametrize(
    ("seed", "start", "count", "field", "allowed"),
    [
        (-1, 0, 1, "seed", f"seed must be from 0 to {2**64 - 1}, got -1"),
        (2**64, 0, 1, "seed", f"seed must be from 0 to {2**64 - 1}, got {2**64}"),
        (0, 0, 0, "count", "count must be at least 1, got 0"),
        (0, 0, -3, "count", "count must be at least 1, got -3"),
        (0, -1, 1, "start", f"start must be from 0 to {2**53 - 1}, got -1"),
        (0, 2**53, 1, "start", f"indices must be from 0 to {2**53 - 1}, got 1 from {2**53} on"),
        (
            0,
            2**53 - 2,
            3,
            "start",
            f"indices must be from 0 to {2**53 - 1}, got 3 from {2**53 - 2} on",
        ),
    ],
)
def test_what_is_out_of_range_is_refused_with_what_is_allowed(
    seed: int, start: int, count: int, field: str, allowed: str
) -> None:
    with pytest.raises(ImageRangeError) as refused:
        ImageRange(seed, start, count)
    assert (refused.value.field, str(refused.value)) == (field, allowed)


def test_the_last_indices_of_the_last_seed_are_a_range() -> None:
    assert ImageRange(MAX_SEED, MAX_INDEX - 1, 2).last == MAX_INDEX
