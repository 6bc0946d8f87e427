"""Numbers of a report by hand: means, medians, bias, shares, spreads, differences of the same images."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_up_mosaics import write_annotated

from training.trial.arms import Arm
from training.trial.convergence import Convergence, Validation
from training.trial.report import ArmResult, Number, TrialReport, make_trial_report
from training.trial.report_text import markdown_report
from training.trial.results import SetResult, TrainedSegmenter
from training.trial.segmentation_scores import ImageScore
from training.trial.settings import TrialSettings
from training.trial.test_sets import read_test_folder
from training.trial.trial_data import TrialData

REAL = {0: [(0.9, 0.1), (0.8, -0.3), (0.7, 0.05)], 1: [(0.9, 0.1), (0.8, -0.1), (0.7, 0.05)]}
SYNTHETIC = {0: [(0.95, 0.02), (0.85, 0.2), (0.75, None)], 1: [(0.95, 0.02), (0.85, 0.1), (0.75, None)]}


def result(label: str, seed: int, scores: list[tuple[float, float | None]]) -> ArmResult:
    images = tuple(
        ImageScore(file=f"{k}.png", cells=10, f1=f1, density_error=error)
        for k, (f1, error) in enumerate(scores)
    )
    validations = tuple(Validation(step=step, loss=2 - step / 100, rate=0.003) for step in (0, 50, 100))
    trained = TrainedSegmenter(
        digest=f"{label} {seed}",
        label=label,
        seed=seed,
        after=None,
        cell_area=400,
        convergence=Convergence(
            ended="no gain", steps=150, best_step=100, seconds=120, validations=validations
        ),
        device="cpu",
        versions={},
    )
    return ArmResult(
        label=label, seed=seed, stages=(trained,), sets={"made-up": SetResult(zoom=1, images=images)}
    )


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> TrialReport:
    folder = write_annotated(tmp_path_factory.mktemp("made-up") / "made-up", range(3))
    data = TrialData([], [read_test_folder(folder, None)])
    arms = [
        Arm("real (39)", "real", 39, None, lambda seed: []),
        Arm("synthetic a", "synthetic", 0, "a", lambda seed: []),
        Arm("not done", "ceiling", 39, None, lambda seed: []),
    ]
    results = [result("synthetic a", seed, SYNTHETIC[seed]) for seed in (0, 1)]
    results += [result("real (39)", seed, REAL[seed]) for seed in (1, 0)]
    return make_trial_report(TrialSettings(), data, arms, results)


def numbers(report: TrialReport, label: str) -> dict[str, Number]:
    return next(summary.numbers for summary in report.summaries if summary.label == label)


def test_numbers_over_images_are_of_their_means_over_seeds(report: TrialReport) -> None:
    found = {name: number.over_images.value for name, number in numbers(report, "real (39)").items()}
    assert found == pytest.approx(
        {
            "f1": 0.8,
            "density_error": (0.1 + 0.2 + 0.05) / 3,
            "density_error_median": 0.1,
            "density_bias": (0.1 - 0.2 + 0.05) / 3,
            "density_bias_median": 0.05,
            "density_within_10_percent": (1 + 0.5 + 1) / 3,
        }
    )


def test_seeds_have_numbers_and_a_spread_of_their_own(report: TrialReport) -> None:
    found = numbers(report, "real (39)")
    assert found["density_error"].by_seed == pytest.approx((0.45 / 3, 0.25 / 3))
    assert found["density_error"].deviation == pytest.approx(0.2 / 3 / 2**0.5)
    assert found["density_within_10_percent"].by_seed == pytest.approx((2 / 3, 1))
    assert found["f1"].deviation == pytest.approx(0)


def test_images_without_a_density_count_for_f1_alone(report: TrialReport) -> None:
    found = numbers(report, "synthetic a")
    assert found["f1"].over_images.images == 3
    assert found["density_error"].over_images.images == 2
    assert found["density_error"].over_images.value == pytest.approx((0.02 + 0.15) / 2)
    assert "cv_error" not in found


def test_differences_are_of_the_same_images(report: TrialReport) -> None:
    (found,) = report.differences
    assert (found.label, found.against) == ("synthetic a", "real (39)")
    f1 = found.numbers["f1"].over_images
    assert (f1.value, f1.low, f1.high) == pytest.approx((0.05, 0.05, 0.05))  # on every image
    density = found.numbers["density_error"]
    assert density.over_images.images == 2
    assert density.over_images.value == pytest.approx((0.02 + 0.15) / 2 - (0.1 + 0.2) / 2)
    turned = density.turned_round().over_images
    assert (turned.value, turned.low) == (-density.over_images.value, -(density.over_images.high or 0))


def test_arms_that_are_not_done_are_not_told_of(report: TrialReport, tmp_path: Path) -> None:
    assert [arm.label for arm in report.arms] == ["real (39)", "synthetic a"]
    assert [(found.label, found.seed) for found in report.results] == [
        ("real (39)", 0),
        ("real (39)", 1),
        ("synthetic a", 0),
        ("synthetic a", 1),
    ]


def test_the_text_has_values_intervals_spreads_and_how_training_ended(report: TrialReport) -> None:
    text = markdown_report(report)
    assert "| made-up | real (39) | 2 | 0.800 [0.700, 0.900] ± 0.000 | 11.7 [5.0, 20.0] ± 4.7 % | " in text
    assert "| made-up | synthetic a | real (39) | +5.0 [+5.0, +5.0] ± 0.0 | " in text
    assert "| real (39) | 0 | 1 | 150 | 100 | 2.000 | 1.000 | no gain | 2 |" in text
    assert "after 4 times in a row without a fall by 0.5 %" in text
    assert "Vigueras-Guillén et al., TVST 2020" in text
    turned = markdown_report(report, ["synthetic a"])
    assert "| made-up | real (39) | synthetic a | -5.0 [-5.0, -5.0] ± 0.0 | " in turned
