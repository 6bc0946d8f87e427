"""The numbers behind an image: known answers, any range of indices, and their distribution."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from endotwin.generator.latents import draw_normals
from endotwin.image_range import MAX_INDEX, MAX_SEED, ImageRange

SEEDS = st.one_of(st.sampled_from([0, 1, 2**63, 2**64 - 1]), st.integers(0, MAX_SEED))
STARTS = st.one_of(st.sampled_from([0, 2**32, MAX_INDEX - 40]), st.integers(0, MAX_INDEX - 40))
DRAWS = st.integers(1, 40)

WORD = 2**64 - 1


def philox4x64(counter: int, key: int) -> list[int]:
    """Return the four words of one block of Philox4x64-10, written down from the paper (Salmon 2011)."""
    c = [(counter >> (64 * k)) & WORD for k in range(4)]
    k0, k1 = key & WORD, key >> 64
    for _ in range(10):
        left, right = 0xD2E7470EE14C6C93 * c[0], 0xCA5A826395121157 * c[2]
        c = [(right >> 64) ^ c[1] ^ k0, right & WORD, (left >> 64) ^ c[3] ^ k1, left & WORD]
        k0, k1 = (k0 + 0x9E3779B97F4A7C15) & WORD, (k1 + 0xBB67AE8584CAA73B) & WORD
    return c


def derived(seed: int, index: int, draws: int) -> list[float]:
    """Derive the numbers of one image from the definition alone: no numpy, no torch."""
    blocks = -(-draws // 8)
    halves: list[int] = []
    for block in range(blocks):
        for word in philox4x64(index * blocks + block + 1, seed):  # numpy counts up before it draws
            halves += [word & 0xFFFFFFFF, word >> 32]
    return [NormalDist().inv_cdf((half + 0.5) / 2**32) for half in halves[:draws]]


def test_the_words_are_those_of_philox() -> None:
    # The last vector of Random123's kat_vectors for philox4x64 with ten rounds: digits of pi.
    counter = 0x243F6A8885A308D3 | 0x13198A2E03707344 << 64 | 0xA4093822299F31D0 << 128
    counter |= 0x082EFA98EC4E6C89 << 192
    key = 0x452821E638D01377 | 0xBE5466CF34E90C6C << 64
    assert philox4x64(counter, key) == [
        0xA528F45403E61D95,
        0x38C72DBD566E9788,
        0xA5A1610E72FD18B5,
        0x57BD43B5E52B7FE6,
    ]


@pytest.mark.parametrize("seed", [0, 7, 2**63 + 5, MAX_SEED])
@pytest.mark.parametrize("index", [0, 1, 490, 2**40, MAX_INDEX])
@pytest.mark.parametrize("draws", [1, 8, 9, 100])
def test_numbers_of_an_image_follow_from_the_definition(seed: int, index: int, draws: int) -> None:
    found = draw_normals(ImageRange(seed, index, 1), draws)[0]
    np.testing.assert_allclose(found, derived(seed, index, draws), rtol=3e-7, atol=1e-9)


@given(SEEDS, STARTS, st.data(), DRAWS)
def test_any_range_is_a_slice_of_a_longer_one(
    seed: int, start: int, data: st.DataObject, draws: int
) -> None:
    whole = draw_normals(ImageRange(seed, start, 40), draws)
    first = data.draw(st.integers(0, 39))
    count = data.draw(st.integers(1, 40 - first))
    part = draw_normals(ImageRange(seed, start + first, count), draws)
    assert part.tobytes() == whole[first : first + count].tobytes()


@given(SEEDS, SEEDS, STARTS)
def test_seeds_and_indices_have_numbers_of_their_own(seed: int, other: int, start: int) -> None:
    rows = [draw_normals(ImageRange(seed, start, 5), 32)]
    if other != seed:
        rows.append(draw_normals(ImageRange(other, start, 5), 32))
    numbers = np.concatenate(rows)
    assert len(np.unique(numbers, axis=0)) == len(numbers)


@given(SEEDS, STARTS, DRAWS)
def test_numbers_are_finite_float32_within_the_stated_range(seed: int, start: int, draws: int) -> None:
    numbers = draw_normals(ImageRange(seed, start, 40), draws)
    assert numbers.shape == (40, draws)
    assert numbers.dtype == np.float32
    assert np.abs(numbers).max() < 6.4


def test_the_largest_word_and_the_smallest_are_finite() -> None:
    quantiles = [NormalDist().inv_cdf((word + 0.5) / 2**32) for word in (0, 2**32 - 1)]
    assert quantiles == pytest.approx([-6.338, 6.338], abs=1e-3)


def test_the_distribution_is_standard_normal() -> None:
    """Moments, neighbours and tails within five standard errors of a normal sample (the seed is fixed)."""
    x = draw_normals(ImageRange(3, 10**6, 4_000), 50).astype(np.float64)
    n = x.size
    assert abs(x.mean()) < 5 / n**0.5
    assert abs(x.var() - 1) < 5 * (2 / n) ** 0.5
    assert abs((x**3).mean()) < 5 * (15 / n) ** 0.5
    assert abs((x**4).mean() - 3) < 5 * (96 / n) ** 0.5
    assert abs((x[:, 1:] * x[:, :-1]).mean()) < 5 / n**0.5
    assert abs((x[1:] * x[:-1]).mean()) < 5 / n**0.5
    for bound in (-2.5, -1.0, 0.0, 0.7, 2.5):
        p = NormalDist().cdf(bound)
        assert abs((x < bound).mean() - p) < 5 * (p * (1 - p) / n) ** 0.5


def test_at_least_one_number_is_drawn() -> None:
    with pytest.raises(ValueError, match="draws must be at least 1, got 0"):
        draw_normals(ImageRange(0, 0, 1), 0)


def test_the_last_indices_of_the_last_seed_can_be_drawn() -> None:
    assert np.isfinite(draw_normals(ImageRange(MAX_SEED, MAX_INDEX - 1, 2), 9)).all()
