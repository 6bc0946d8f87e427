"""Curation against the cells that a reader counted, on the half that no limit was chosen on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom

from benchmarks.curation_truth import COUNTABLE, Outcome, curated_clinic, is_tuning
from training.curation.clean_field import largest_clean_box
from training.curation.cut_parts import find_frames, find_strokes
from training.curation.image_files import decode, read_bytes
from training.curation.thresholds import read_thresholds
from training.curation.worker_pool import available_cores

CUTTING = read_thresholds().cutting


@pytest.fixture(scope="module")
def other_half(real_data: Path) -> list[Outcome]:
    """Return what became of the images of the other half."""
    if not (real_data / "clinic" / "images").is_dir():
        pytest.skip(f"no raw images of a clinic in {real_data}")
    outcomes = curated_clinic(real_data, available_cores())
    return [outcome for outcome in outcomes if not is_tuning(outcome.number)]


def test_the_halves_are_blocks_of_consecutive_numbers() -> None:
    assert [is_tuning(number) for number in (0, 24, 25, 49, 50)] == [True, True, False, False, True]


def test_countable_images_are_kept(other_half: list[Outcome]) -> None:
    countable = [outcome for outcome in other_half if len(outcome.centres) >= COUNTABLE]
    dropped = sum(outcome.reason != "kept" for outcome in countable)
    assert len(countable) > 80
    # A true rate of 5 % drops no more in 19 of 20 samples of this size.
    assert dropped <= binom.ppf(0.95, len(countable), 0.05)


def test_images_without_a_countable_cell_are_dropped(other_half: list[Outcome]) -> None:
    useless = [outcome for outcome in other_half if len(outcome.centres) == 0]
    dropped = sum(outcome.reason != "kept" for outcome in useless)
    assert len(useless) > 20
    # A true rate of 90 % drops no fewer in 19 of 20 samples of this size.
    assert dropped >= binom.ppf(0.05, len(useless), 0.9)


def test_the_field_covers_the_centres_and_leaves_out_band_and_frame(other_half: list[Outcome]) -> None:
    countable = [outcome for outcome in other_half if len(outcome.centres) >= COUNTABLE]
    assert sum(o.covered for o in countable) >= 0.95 * sum(len(o.centres) for o in countable)
    assert np.mean([outcome.saturated for outcome in countable]) < 0.02
    assert np.mean([outcome.black for outcome in countable]) < 0.01


@pytest.mark.parametrize("source", ["gavet", "cwru", "confocal", "alizarine"])
def test_images_without_overlays_lose_none_of_their_area(real_data: Path, source: str) -> None:
    paths = sorted((real_data / source / "images").glob("*.png"))
    assert paths
    for path in paths:
        grey = decode(read_bytes(path)).grey
        frames = find_frames(grey, CUTTING)
        clean = largest_clean_box(frames)
        without_overlays = largest_clean_box(frames | find_strokes(grey, frames, CUTTING))
        assert without_overlays.area >= 0.95 * clean.area, path.stem
