"""Overlap and relative errors, by hand."""

from __future__ import annotations

import numpy as np
import pytest
from made_up_mosaics import write_annotated

from training.trial.annotated_images import read_annotated
from training.trial.borders import thick
from training.trial.segmentation_scores import Overlap, overlap_of, score_image, summarise


def line(column: int, length: int = 20) -> np.ndarray:
    lines = np.zeros((22, 40), dtype=bool)
    lines[1 : 1 + length, column] = True
    return lines


@pytest.mark.parametrize(
    ("shift", "dice"),
    [(0, 1.0), (1, 2 / 3), (2, 1 / 3), (3, 0.0)],
)
def test_a_line_beside_the_experts_shares_its_columns(shift: int, dice: float) -> None:
    overlap = overlap_of(line(10 + shift), line(10), np.ones((22, 40), dtype=bool))
    assert (overlap.dice, overlap.precision, overlap.recall) == pytest.approx((dice, dice, dice))


def test_half_a_line_has_full_precision_and_half_the_recall() -> None:
    area = np.ones((22, 40), dtype=bool)
    overlap = overlap_of(line(10, length=9), line(10, length=20), area)
    assert overlap == Overlap(both=33, only_predicted=0, only_expert=33)
    assert (overlap.precision, overlap.recall) == (1.0, 0.5)
    assert overlap.dice == pytest.approx(2 / 3)


def test_nothing_outside_the_area_counts() -> None:
    area = np.zeros((22, 40), dtype=bool)
    area[:, 5:15] = True
    overlap = overlap_of(line(10) | line(30), line(10) | line(20), area)
    assert overlap.dice == 1.0


def test_no_border_predicted_at_all() -> None:
    area = np.ones((22, 40), dtype=bool)
    overlap = overlap_of(np.zeros_like(area), line(10), area)
    assert (overlap.dice, overlap.precision, overlap.recall) == (0.0, 0.0, 0.0)
    empty = overlap_of(np.zeros_like(area), np.zeros_like(area), area)
    assert (empty.dice, empty.recall) == (1.0, 1.0)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list:
    folder = write_annotated(tmp_path_factory.mktemp("made-up"), range(2))
    return [read_annotated(folder, f"{k}.png") for k in range(2)]


def test_the_experts_own_borders_score_in_full(images: list) -> None:
    found = score_image(thick(images[0].lines).astype(float), images[0])
    assert found.scores.dice > 0.99  # thinned again, a junction may move by a pixel
    assert (found.scores.density_error, found.scores.cv_error, found.scores.hexagonality_error) == (0, 0, 0)
    assert found.expert.cells == images[0].cells


def test_a_set_takes_means_of_sizes_and_signed_errors_of_the_whole(images: list) -> None:
    perfect = score_image(thick(images[0].lines).astype(float), images[0])
    nothing = score_image(np.zeros(images[1].pixels.shape), images[1])
    assert nothing.scores.density_error == -1
    assert nothing.scores.cv_error is None
    found = summarise([perfect, nothing])
    assert found.mean.dice == pytest.approx(perfect.scores.dice / 2)
    assert found.mean.density_error == 0.5
    assert found.mean.cv_error == 0  # of the one image where it is known
    assert found.pooled.recall == pytest.approx(
        perfect.overlap.both
        / (perfect.overlap.both + perfect.overlap.only_expert + nothing.overlap.only_expert)
    )
