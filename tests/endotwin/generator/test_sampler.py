"""image(checkpoint, seed, index) is a pure function."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from endotwin.generator.architectures import to_grey_levels
from endotwin.generator.checkpoint import Checkpoint, load_checkpoint
from endotwin.generator.latents import draw_normals
from endotwin.generator.sampler import NotLabelledError, Sampler
from endotwin.image_range import BATCH, IMAGE_SIZE, MAX_INDEX, MAX_SEED, ImageRange, ImageRangeError
from endotwin.mosaic.parameters import Conditions

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
    return sampler.images(seed, 48, 0)


@SLOW
@given(st.sampled_from([7, MAX_SEED]), st.integers(0, 47), st.data())
def test_a_range_holds_the_same_images_wherever_it_starts(
    sampler: Sampler, seed: int, start: int, data: st.DataObject
) -> None:
    count = data.draw(st.integers(1, 48 - start))
    images = sampler.images(seed, count, start)
    assert images.dtype == np.uint8
    assert images.tobytes() == reference(sampler, seed)[start : start + count].tobytes()


def test_another_load_of_the_file_makes_the_same_images(sampler: Sampler, tiny_checkpoint: Path) -> None:
    again = Sampler(load_checkpoint(tiny_checkpoint))
    assert again.images(7, 20, 0).tobytes() == reference(sampler, 7)[:20].tobytes()


def test_images_follow_from_the_numbers_of_their_index(sampler: Sampler, checkpoint: Checkpoint) -> None:
    draws = draw_normals(ImageRange(7, 16, BATCH), checkpoint.generator.draws)
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
            runs.append(sampler.images(3, BATCH, 2 * BATCH).tobytes())
    finally:
        torch.set_num_threads(before)
    assert runs[0] == runs[1]


def test_the_last_index_there_is_can_be_generated(sampler: Sampler) -> None:
    whole = sampler.images(1, BATCH, MAX_INDEX - BATCH + 1)
    last = sampler.images(1, 1, MAX_INDEX)
    assert last.shape == (1, IMAGE_SIZE, IMAGE_SIZE)
    np.testing.assert_array_equal(last[0], whole[-1])
    with pytest.raises(ImageRangeError, match=f"indices must be from 0 to {MAX_INDEX}"):
        sampler.images(1, 2, MAX_INDEX)


def test_batches_carry_their_range(sampler: Sampler) -> None:
    batches = list(sampler.batches(ImageRange(7, 10, 30)))
    assert [batch.range for batch in batches] == [
        ImageRange(7, 10, 6),
        ImageRange(7, 16, 16),
        ImageRange(7, 32, 8),
    ]
    for batch in batches:
        assert (
            batch.images.tobytes()
            == reference(sampler, 7)[batch.range.start : batch.range.last + 1].tobytes()
        )


def test_conditions_take_a_labelled_checkpoint(sampler: Sampler) -> None:
    with pytest.raises(NotLabelledError, match="tiny has no labels and takes no conditions"):
        sampler.batch(ImageRange(7, 0, 1), Conditions())
