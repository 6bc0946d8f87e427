"""image(checkpoint, seed, index) is a pure function."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from endotwin.generator.architectures import to_grey_levels
from endotwin.generator.checkpoint import Checkpoint, load_checkpoint
from endotwin.generator.latents import MAX_INDEX, MAX_SEED, draw_normals
from endotwin.generator.sampler import BATCH, Sampler, plan_blocks
from endotwin.image_size import IMAGE_SIZE

SLOW = settings(max_examples=8)


@pytest.fixture(scope="module")
def checkpoint(tiny_checkpoint: Path) -> Checkpoint:
    return load_checkpoint(tiny_checkpoint)


@pytest.fixture(scope="module")
def sampler(checkpoint: Checkpoint) -> Sampler:
    return Sampler(checkpoint)


@cache
def reference(sampler: Sampler, seed: int) -> np.ndarray:
    """Return images 0 to 47 of a seed, made in one go."""
    return np.concatenate(list(sampler.images(seed, 0, 48)))


@SLOW
@given(st.sampled_from([7, MAX_SEED]), st.integers(0, 47), st.data())
def test_a_range_holds_the_same_images_wherever_it_starts(
    sampler: Sampler, seed: int, start: int, data: st.DataObject
) -> None:
    count = data.draw(st.integers(1, 48 - start))
    images = np.concatenate(list(sampler.images(seed, start, count)))
    assert images.dtype == np.uint8
    assert images.tobytes() == reference(sampler, seed)[start : start + count].tobytes()


def test_another_load_of_the_file_makes_the_same_images(sampler: Sampler, tiny_checkpoint: Path) -> None:
    again = Sampler(load_checkpoint(tiny_checkpoint))
    assert np.concatenate(list(again.images(7, 0, 20))).tobytes() == reference(sampler, 7)[:20].tobytes()


def test_images_follow_from_the_numbers_of_their_index(sampler: Sampler, checkpoint: Checkpoint) -> None:
    draws = draw_normals(7, 16, BATCH, checkpoint.generator.draws)
    with torch.inference_mode():
        images = checkpoint.generator(torch.from_numpy(draws))
    np.testing.assert_array_equal(to_grey_levels(images).numpy(), reference(sampler, 7)[16:32])


def test_seeds_and_indices_have_images_of_their_own(sampler: Sampler) -> None:
    images = np.concatenate([reference(sampler, MAX_SEED), reference(sampler, 7)])
    assert len(np.unique(images.reshape(len(images), -1), axis=0)) == 96


def test_as_many_threads_as_there_are_make_the_same_images(sampler: Sampler) -> None:
    before = torch.get_num_threads()
    try:
        runs = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            runs.append(sampler.batch(3, 2).tobytes())
    finally:
        torch.set_num_threads(before)
    assert runs[0] == runs[1]


def test_the_last_index_there_is_can_be_generated(sampler: Sampler) -> None:
    whole = sampler.batch(1, MAX_INDEX // BATCH)
    (last,) = sampler.images(1, MAX_INDEX, 1)
    assert last.shape == (1, IMAGE_SIZE, IMAGE_SIZE)
    np.testing.assert_array_equal(last[0], whole[-1])
    with pytest.raises(ValueError, match=f"indices must be from 0 to {MAX_INDEX}"):
        list(sampler.images(1, MAX_INDEX, 2))


@pytest.mark.parametrize("start", [0, 5, 16])
def test_no_images_are_none(sampler: Sampler, start: int) -> None:
    assert sum(len(images) for images in sampler.images(7, start, 0)) == 0


@given(st.integers(0, MAX_INDEX - 5_000), st.integers(1, 5_000))
def test_a_plan_covers_a_range_once_and_in_order(start: int, count: int) -> None:
    parts = [
        (block * BATCH + first, block * BATCH + last) for block, first, last in plan_blocks(start, count)
    ]
    assert parts[0][0] == start
    assert parts[-1][1] == start + count
    assert all(end == begin for (_, end), (begin, _) in pairwise(parts))
    assert all(0 < end - begin <= BATCH for begin, end in parts)
    assert all(begin % BATCH == 0 for begin, _ in parts[1:])
