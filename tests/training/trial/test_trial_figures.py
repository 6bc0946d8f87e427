"""What figures of a trial show: all numbers, on axes that tell them apart."""

from __future__ import annotations

from pathlib import Path

import pytest
from matplotlib.figure import Figure

from training.trial import figures
from training.trial.bootstrap import Estimate
from training.trial.report import ArmRole, ArmSummary, Number, TrialReport
from training.trial.settings import TrialSettings

ARMS = (
    ArmRole(label="real (1)", kind="real", count=1, source=None),
    ArmRole(label="real (39)", kind="real", count=39, source=None),
    ArmRole(label="synthetic a", kind="synthetic", count=0, source="a"),
)


def summary(test_set: str, label: str, f1: float, error: float | None) -> ArmSummary:
    def number(value: float) -> Number:
        around = Estimate(value=value, low=value - 0.04, high=value + 0.03, images=5)
        return Number(over_images=around, by_seed=(value,))

    numbers = {"f1": number(f1)} | ({} if error is None else {"density_error": number(error)})
    return ArmSummary(test_set=test_set, label=label, seeds=(0,), numbers=numbers)


def report(arms: tuple[ArmRole, ...]) -> TrialReport:
    f1 = {"real (1)": 0.81, "real (39)": 0.93, "synthetic a": 0.92}
    summaries = tuple(
        summary(test_set, arm.label, f1[arm.label], error)
        for test_set, error in (("borders", 0.1), ("without density", None))
        for arm in arms
    )
    return TrialReport(
        settings=TrialSettings(),
        training="",
        scoring="",
        folders={},
        arms=arms,
        summaries=summaries,
        differences=(),
        results=(),
    )


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    found: list[Figure] = []
    monkeypatch.setattr(figures, "_save", lambda figure, path: found.append(figure))
    return found


def test_a_curve_shows_f1_and_density_error_by_the_number_of_images(drawn: list[Figure]) -> None:
    assert figures.plot_curve(report(ARMS), Path("curve.png"))
    f1, f1_again, density, no_density = drawn[0].axes
    assert [axes.get_title() for axes in (f1, f1_again)] == ["borders", "without density"]
    # 0.81 - 0.04 is the lowest end of an interval.
    assert f1.get_ylim() == f1_again.get_ylim() == pytest.approx((0.7, 1.0))
    assert density.get_ylim()[0] == 0
    assert not no_density.lines
    assert [label.get_text() for label in density.get_xticklabels()] == ["0", "1", "39"]
    real, synthetic = (list(container[0].get_ydata()) for container in f1.containers)
    assert (real, synthetic) == ([0.81, 0.93], [0.92])
    assert [text.get_text() for text in drawn[0].legends[0].get_texts()] == [
        "real only",
        "synthetic a first",
    ]


def test_two_numbers_of_images_make_no_curve(drawn: list[Figure]) -> None:
    assert not figures.plot_curve(report(ARMS[1:]), Path("curve.png"))
    assert not drawn
