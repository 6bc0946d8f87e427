"""Intervals over images: against the closed form of a mean, paired, and where there is too little."""

from __future__ import annotations

import numpy as np
import pytest

from training.trial.bootstrap import Estimate, difference, estimate, mean_of, median_of


def test_the_interval_of_a_mean_is_as_wide_as_its_standard_error_says() -> None:
    values = np.random.default_rng(0).normal(0.8, 0.1, 400)
    found = estimate(values, mean_of)
    assert found is not None
    error = values.std() / np.sqrt(len(values))
    assert found.value == pytest.approx(values.mean())
    assert (found.low, found.high) == pytest.approx(
        (values.mean() - 1.96 * error, values.mean() + 1.96 * error), abs=0.15 * error
    )


def test_two_images_have_the_interval_of_the_four_sets_that_can_be_drawn() -> None:
    found = estimate(np.array([0.2, 0.6]), mean_of)
    assert found == Estimate(value=0.4, low=0.2, high=0.6, images=2)  # each end in a quarter of the sets


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(1)
    found = [estimate(rng.normal(3, 1, 40), mean_of) for _ in range(100)]
    held = [each.low <= 3 <= each.high for each in found if each is not None and each.low and each.high]
    assert len(held) == 100
    assert 85 <= sum(held) <= 100


def test_a_difference_is_paired_by_image() -> None:
    rng = np.random.default_rng(2)
    hard = rng.normal(0, 0.3, 60)  # some images are hard for both arms
    one, other = 0.7 + hard + rng.normal(0.02, 0.01, 60), 0.7 + hard
    found = difference(one, other, mean_of)
    assert found is not None
    assert found.value == pytest.approx((one - other).mean())
    assert found.low is not None
    assert found.high is not None
    assert 0.015 < found.low < found.high < 0.025
    assert difference(one, one, median_of) == Estimate(value=0, low=0, high=0, images=60)


def test_medians_are_medians() -> None:
    found = estimate(np.array([1.0, 2.0, 100.0]), median_of)
    assert found is not None
    assert found.value == 2
    assert (found.low, found.high) == (1, 100)


def test_images_of_which_nothing_is_known_are_left_out() -> None:
    values = np.array([0.5, np.nan, 0.7])
    found = estimate(values, mean_of)
    assert found is not None
    assert (found.value, found.images) == (pytest.approx(0.6), 2)
    apart = difference(np.array([0.5, np.nan, 0.75]), np.array([np.nan, 0.1, 0.25]), mean_of)
    assert apart == Estimate(value=0.5, low=None, high=None, images=1)
    assert estimate(np.array([np.nan]), mean_of) is None


def test_a_single_image_has_no_interval() -> None:
    assert estimate(np.array([0.5]), mean_of) == Estimate(value=0.5, low=None, high=None, images=1)
