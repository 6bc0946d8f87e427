"""The confusion matrix of the QCAV 2021 paper gives the numbers of its Table 1, and Fig. 8."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from training.blind_test.blind_set import BlindTestError, Origin
from training.blind_test.command import blind_test_app
from training.blind_test.confusion import Confusion
from training.blind_test.discrimination import discrimination_text, measure_discrimination
from training.blind_test.figures import confusion_figure, row_shares
from training.blind_test.scores import score_counts

PAPER = Confusion.of_counts((555, 445), (946, 54))
"""The one solution in whole images of Table 1 of Dussy Lachaud et al., QCAV 2021."""


def test_every_number_of_table_1() -> None:
    scores = score_counts(PAPER)
    simulated, real = scores.classes[Origin.GENERATED], scores.classes[Origin.REAL]

    def printed(value: float | None) -> str:
        assert value is not None
        return f"{value:.2f}"

    assert [printed(v) for v in (simulated.precision, simulated.recall, simulated.f1)] == [
        "0.11",
        "0.05",
        "0.07",
    ]
    assert [printed(v) for v in (real.precision, real.f1)] == ["0.37", "0.44"]
    assert real.recall == pytest.approx(0.555)  # printed as 0.56
    assert (simulated.support, real.support) == (1000, 1000)
    assert printed(scores.against_chance.accuracy) == "0.30"
    assert scores.confusion.total == 2000
    assert sum(PAPER.counts[kind][Origin.REAL] for kind in Origin) == 1501


def test_discrimination_and_bias_are_told_apart() -> None:
    found = score_counts(PAPER).discrimination
    assert found.balanced_accuracy == pytest.approx(0.3045)
    assert found.called_real == pytest.approx(1501 / 2000)
    assert found.d_prime is not None
    assert found.d_prime == pytest.approx(0.138 - 1.605, abs=0.01)  # quantiles of 0.555 and 0.946
    assert found.criterion == pytest.approx(-0.5 * (0.138 + 1.605), abs=0.01)
    words = discrimination_text(found)
    assert "balanced accuracy 0.304" in words or "balanced accuracy 0.305" in words
    assert "75.0% of the images were taken for real" in words


@pytest.mark.parametrize(
    ("real", "generated", "accuracy", "d_prime", "called_real"),
    [
        ((50, 50), (50, 50), 0.5, 0.0, 0.5),
        ((90, 10), (90, 10), 0.5, 0.0, 0.9),  # all bias, no discrimination
        ((100, 0), (0, 100), 1.0, 2 * 2.577, 0.5),  # finite, though always right
    ],
)
def test_known_experts(
    real: tuple[int, int],
    generated: tuple[int, int],
    accuracy: float,
    d_prime: float,
    called_real: float,
) -> None:
    found = measure_discrimination(Confusion.of_counts(real, generated))
    assert found.balanced_accuracy == pytest.approx(accuracy)
    assert found.d_prime == pytest.approx(d_prime, abs=0.01)
    assert found.called_real == pytest.approx(called_real)
    assert found.d_prime is not None
    assert math.isfinite(found.d_prime)


def test_one_class_alone_has_a_bias_and_no_discrimination() -> None:
    found = measure_discrimination(Confusion.of_counts((3, 1), (0, 0)))
    assert found.balanced_accuracy is found.d_prime is found.criterion is None
    assert found.called_real == 0.75
    assert "not measured" in discrimination_text(found)


def test_figure_8_has_both_forms() -> None:
    kinds = tuple(Origin)
    shares = row_shares(PAPER)
    assert shares[kinds.index(Origin.GENERATED), kinds.index(Origin.REAL)] == pytest.approx(0.946)
    assert shares[kinds.index(Origin.REAL), kinds.index(Origin.GENERATED)] == pytest.approx(0.445)
    figure = Image.open(io.BytesIO(confusion_figure(PAPER)))
    assert figure.width > figure.height * 1.8  # the two matrices side by side


def test_the_command_scores_the_paper(tmp_path: Path) -> None:
    out = tmp_path / "paper"
    result = CliRunner().invoke(blind_test_app, ["score", "--counts", "555,445,946,54", "-o", str(out)])
    assert result.exit_code == 0, result.output
    for words in ("precision 0.108  recall 0.054  F1 0.072  of 1,000", "accuracy 0.3045 of 2,000"):
        assert words in result.output
    assert json.loads((out / "score.json").read_text())["confusion"]["counts"]["real"]["generated"] == 445
    assert "Discrimination: balanced accuracy" in (out / "score.html").read_text()
    assert (out / "confusion.png").stat().st_size > 5_000


@pytest.mark.parametrize("text", ["", "1,2,3", "1,2,3,4,5", "1,2,3,-4", "a,b,c,d", "1.5,2,3,4"])
def test_what_is_no_matrix_is_refused(text: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(blind_test_app, ["score", "--counts", text, "-o", str(tmp_path / "out")])
    assert result.exit_code != 0
    assert "four whole numbers" in str(result.exception)
    assert not (tmp_path / "out").exists()


def test_an_empty_matrix_is_refused() -> None:
    with pytest.raises(BlindTestError, match="nothing to score"):
        score_counts(Confusion.of_counts((0, 0), (0, 0)))
