"""What is read off a prediction: perfect, displaced, merged and empty ones, by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_up_mosaics import hexagon_sites, lines_between, nearest_site, write_annotated, write_counted
from scipy import ndimage

from training.trial.annotated_images import AnnotatedImage, read_annotated
from training.trial.borders import thick
from training.trial.counted_images import CountedImage, read_counted
from training.trial.segmentation_scores import border_f1, score_image


def with_lines(lines: np.ndarray, area: np.ndarray | None = None) -> AnnotatedImage:
    """Return an image of which only the lines matter."""
    everywhere = np.ones(lines.shape, dtype=bool)
    return AnnotatedImage(
        "made-up.png", np.zeros(lines.shape, np.uint8), lines, everywhere if area is None else area, 1
    )


def column(place: int, length: int = 70) -> np.ndarray:
    lines = np.zeros((72, 90), dtype=bool)
    lines[1 : 1 + length, place] = True
    return lines


@pytest.mark.parametrize(("shift", "expected"), [(0, 1.0), (1, 1.0), (2, 1.0), (3, 0.0)])
def test_a_line_within_two_pixels_is_where_the_expert_drew_it(shift: int, expected: float) -> None:
    assert border_f1(column(30 + shift), with_lines(column(30))) == expected


def test_half_a_line_has_full_precision_and_half_the_recall() -> None:
    # 35 of 70 pixels, and two more within reach of its end.
    recall = 37 / 70
    assert border_f1(column(30, 35), with_lines(column(30))) == pytest.approx(2 * recall / (1 + recall))


def test_no_line_outside_the_area_counts() -> None:
    area = np.zeros((72, 90), dtype=bool)
    area[:, 20:40] = True
    assert border_f1(column(30) | column(60), with_lines(column(30) | column(80), area)) == 1
    assert border_f1(column(60), with_lines(column(30), area)) == 0


@pytest.fixture(scope="module")
def annotated(tmp_path_factory: pytest.TempPathFactory) -> AnnotatedImage:
    folder = write_annotated(tmp_path_factory.mktemp("made-up"), range(1))
    return read_annotated(folder, "0.png")


def test_the_experts_own_borders_score_in_full(annotated: AnnotatedImage) -> None:
    found = score_image(thick(annotated.lines).astype(float), annotated)
    assert (found.f1, found.cells) == (1, annotated.cells)
    assert found.border_f1 is not None
    assert found.border_f1 > 0.99  # thinned again, a junction may move
    assert (found.density_error, found.cv_error, found.hexagonality_error) == (0, 0, 0)


def test_no_border_at_all_finds_no_cell(annotated: AnnotatedImage) -> None:
    found = score_image(np.zeros(annotated.pixels.shape), annotated)
    assert (found.f1, found.border_f1) == (0, 0)
    assert found.density_error is not None
    assert found.density_error < -0.98  # one cell, the image
    assert found.cv_error is None


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> CountedImage:
    image = read_counted(write_counted(tmp_path_factory.mktemp("made-up"), range(1), 260, 280), "0.png")
    assert image is not None
    return image


def probability(cells: np.ndarray) -> np.ndarray:
    return ndimage.gaussian_filter(lines_between(cells).astype(float), 1.0)


def test_the_territories_of_the_centres_score_nearly_in_full(counted: CountedImage) -> None:
    found = score_image(probability(counted.territories), counted)
    assert found.f1 > 0.95
    assert found.density_error == pytest.approx(0, abs=0.02)
    assert (found.cv_error, found.hexagonality_error, found.border_f1) == (None, None, None)


def test_cells_cut_in_two_double_the_density() -> None:
    """Bricks of 24 × 24, every one of them cut across."""
    rows, columns = np.indices((240, 240))
    centres = np.stack(
        [part.ravel() for part in np.meshgrid(np.arange(36, 210, 24), np.arange(36, 210, 24))]
    )
    image = CountedImage("made-up.png", np.zeros((240, 240), np.uint8), centres.T.astype(float) + 4)
    bricks = columns // 24 + 10 * (rows // 24)
    halves = columns // 24 + 10 * (rows // 12)
    whole, cut = (score_image(probability(cells), image) for cells in (bricks, halves))
    assert whole.f1 == 1
    assert whole.density_error == pytest.approx(0, abs=0.03)
    assert cut.density_error == pytest.approx(1, abs=0.06)
    # Of the 64 halves without a centre 8 lie above the hull and 2 × 7 to its sides, by more than a quarter.
    assert cut.f1 == pytest.approx(2 * 64 / (2 * 64 + 64 - 8 - 14))


def test_the_density_of_few_counted_cells_is_not_told() -> None:
    sites = hexagon_sites(20.0, 90, 90)
    inside = sites[(sites > 10).all(axis=1) & (sites < 80).all(axis=1)]
    image = CountedImage("made-up.png", np.zeros((90, 90), np.uint8), inside[:, ::-1])
    found = score_image(probability(nearest_site(sites, 90, 90)), image)
    assert found.density_error is None
    assert found.f1 > 0.9


def test_scores_name_their_image(annotated: AnnotatedImage, tmp_path: Path) -> None:
    assert score_image(np.zeros(annotated.pixels.shape), replace(annotated, file="x.png")).file == "x.png"
