"""Scores of tiny sets, worked out by hand; what has to hold for any set."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.scores import feature_scores as scores
from training.scores.feature_scores import kid, neighbourhoods


def precision_and_recall(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    return neighbourhoods(first, second)[:2]


def density_and_coverage(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    return neighbourhoods(first, second)[2:]


def line(*places: float) -> np.ndarray:
    """Return points on a line, (n, 1)."""
    return np.array(places, dtype=np.float32)[:, None]


def normal(seed: int, count: int, dims: int = 16, shift: float = 0.0) -> np.ndarray:
    return (np.random.default_rng(seed).standard_normal((count, dims)) + shift).astype(np.float32)


def unbiased_mmd2(first: np.ndarray, second: np.ndarray) -> float:
    """Return the squared MMD by its definition, one pair after the other."""

    def kernel(x: np.ndarray, y: np.ndarray) -> float:
        return float((np.dot(x.astype(float), y.astype(float)) / len(x) + 1.0) ** 3)

    n, m = len(first), len(second)
    own = sum(kernel(first[i], first[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    other = sum(kernel(second[i], second[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    across = sum(kernel(x, y) for x in first for y in second) / (n * m)
    return own + other - 2 * across


def test_kid_of_two_pairs_by_hand() -> None:
    # d = 1, k(x, y) = (xy + 1)^3. Within {0, 1}: k(0, 1) = 1. Within {1, 2}: k(1, 2) = 27.
    # Across: k(0, 1) = k(0, 2) = 1, k(1, 1) = 8, k(1, 2) = 27, mean 37 / 4.
    assert kid(line(0, 1), line(1, 2)).mean == pytest.approx(1 + 27 - 2 * 37 / 4, abs=1e-12)


def test_kid_of_equal_pairs_is_below_zero_by_hand() -> None:
    # Within {0, 1}: 1, twice. Across: k(0, 0) = 1, k(0, 1) = 1 twice, k(1, 1) = 8, mean 11 / 4.
    found = kid(line(0, 1), line(0, 1))
    assert found.mean == pytest.approx(2 - 2 * 11 / 4, abs=1e-12)
    assert found.subset_deviation == pytest.approx(0.0, abs=1e-12)  # every subset is the whole set


def test_kid_keeps_to_its_definition() -> None:
    first, second = normal(1, 30, dims=5), normal(2, 30, dims=5, shift=0.3)
    assert kid(first, second).mean == pytest.approx(unbiased_mmd2(first, second), rel=1e-9)
    # Sets of other sizes are cut to the smaller one, differently for each subset.
    third = normal(3, 40, dims=5, shift=0.3)
    assert kid(first, third).mean == pytest.approx(unbiased_mmd2(first, third), rel=0.2)
    assert kid(first, third).subset_deviation > 0


@pytest.mark.parametrize(("first", "second", "times"), [(30, 30, 1), (30, 31, 20), (61, 60, 20)])
def test_kid_of_all_images_is_measured_once(
    first: int, second: int, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = []
    monkeypatch.setattr(scores, "_squared_mmd", lambda *sets: measured.append(len(sets[0])) or 0.5)
    assert kid(normal(1, first), normal(2, second)) == (0.5, 0.0)
    assert measured == [min(first, second)] * times


def test_kid_has_no_bias_where_fid_has() -> None:
    """Small samples of one distribution: the mean over many pairs is 0 within its standard error."""
    found = [kid(normal(2 * k, 20), normal(2 * k + 1, 20)).mean for k in range(100)]
    standard_error = np.std(found, ddof=1) / math.sqrt(len(found))
    assert abs(np.mean(found)) < 4 * standard_error
    assert np.mean(np.array(found) < 0) > 0.3  # so no one sets negative ones to 0


def test_kid_takes_subsets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scores, "KID_SUBSET_SIZE", 20)
    first, second = normal(4, 60), normal(5, 60, shift=1.0)
    found = kid(first, second)
    assert found == kid(first, second)
    assert found.subset_deviation > 0
    assert found.mean == pytest.approx(unbiased_mmd2(first, second), rel=0.1)


def test_precision_and_recall_by_hand() -> None:
    # k = 3. Real 0 .. 5 have radii 3, 2, 2, 2, 2, 3. Generated 20 .. 24 have 3, 2, 2, 2, 3, and 2 has 20,
    # its distance to 22. Of the generated only 2 lies in a real neighbourhood: precision 1/6. All real
    # ones lie in the wide neighbourhood of 2: recall 1.
    real, generated = line(0, 1, 2, 3, 4, 5), line(20, 21, 22, 23, 24, 2)
    assert precision_and_recall(generated, real) == (1 / 6, 1.0)
    # The other way round the two change places.
    assert precision_and_recall(real, generated) == (1.0, 1 / 6)


def test_far_sets_have_neither_precision_nor_recall_nor_coverage() -> None:
    first, second = normal(6, 10), normal(7, 10, shift=1000.0)
    assert precision_and_recall(first, second) == (0.0, 0.0)
    assert density_and_coverage(first, second) == (0.0, 0.0)


def test_equal_sets_reach_all() -> None:
    rows = normal(8, 40)
    assert precision_and_recall(rows, rows) == (1.0, 1.0)
    density, coverage = density_and_coverage(rows, rows)
    assert coverage == 1.0
    # Every neighbourhood holds the five nearest and its own centre.
    assert density == pytest.approx(6 / 5, abs=1e-12)


def test_density_and_coverage_by_hand() -> None:
    # k = 5, so the radius of each of six real points is the distance to its farthest: 0 .. 5 have
    # 5, 4, 3, 3, 4, 5. A generated point at 7 is within 5 of 5 only (|7 - 5| = 2), and within 4 of 4 (3);
    # 3 is 4 away with radius 3; 2, 1, 0 are 5, 6, 7 away. So two neighbourhoods of six hold it, and none
    # holds the other three generated points.
    real = line(0, 1, 2, 3, 4, 5)
    density, coverage = density_and_coverage(line(7, 1000, 2000, 3000), real)
    assert density == pytest.approx(2 / (5 * 4))
    assert coverage == pytest.approx(2 / 6)
    # Four more far away halve the density and cover nothing more.
    density, coverage = density_and_coverage(line(7, 1000, 2000, 3000, 4000, 5000, 6000, 7000), real)
    assert density == pytest.approx(2 / (5 * 8))
    assert coverage == pytest.approx(2 / 6)


def test_density_sees_a_generator_that_keeps_to_the_middle_and_coverage_what_it_misses() -> None:
    real = normal(9, 300)
    density, coverage = density_and_coverage(0.2 * normal(10, 300), real)
    floor_density, floor_coverage = density_and_coverage(normal(11, 300), real)
    assert density > 2 * floor_density
    assert coverage < floor_coverage
    assert floor_density == pytest.approx(1.0, abs=0.15)


@pytest.mark.parametrize("rows", [7, 64])
def test_distances_in_pieces_are_the_same(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = normal(12, 50), normal(13, 60, shift=0.5)
    whole = neighbourhoods(first, second)
    monkeypatch.setattr(scores, "_ROWS", rows)
    assert neighbourhoods(first, second) == whole


@settings(max_examples=15)
@given(seed=st.integers(0, 2**32 - 1), first=st.integers(6, 25), second=st.integers(6, 25))
def test_neighbourhoods_keep_to_their_definitions(seed: int, first: int, second: int) -> None:
    rng = np.random.default_rng(seed)
    judged, by = rng.standard_normal((first, 3)), rng.standard_normal((second, 3)) + 0.5

    def distance(x: np.ndarray, y: np.ndarray) -> float:
        return float(np.sqrt(((x - y) ** 2).sum()))

    def radius(rows: np.ndarray, of: int, k: int) -> float:
        return sorted(distance(rows[of], row) for i, row in enumerate(rows) if i != of)[k - 1]

    near = [[distance(x, y) for y in by] for x in judged]
    precision = np.mean([any(near[i][j] <= radius(by, j, 3) for j in range(second)) for i in range(first)])
    recall = np.mean([any(near[i][j] <= radius(judged, i, 3) for i in range(first)) for j in range(second)])
    held = [[near[i][j] <= radius(by, j, 5) for i in range(first)] for j in range(second)]
    assert precision_and_recall(judged, by) == pytest.approx((precision, recall))
    assert density_and_coverage(judged, by) == pytest.approx(
        (np.sum(held) / (5 * first), np.mean([any(members) for members in held]))
    )
