"""Accuracy against chance, in both directions."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict
from scipy.stats import binomtest, fisher_exact

from training.blind_test.blind_set import Origin
from training.blind_test.confusion import Confusion

CONFIDENCE = 0.95
SIGNIFICANT = 0.05

Direction = Literal["above chance", "below chance", "not told from chance"]


class AgainstChance(BaseModel):
    """An accuracy, its interval and two tests.

    Attributes:
        accuracy: share of right answers.
        low: lower end of the exact (Clopper-Pearson) 95 % interval.
        high: its upper end.
        p_binomial: exact two-sided binomial test against one half.
        p_fisher: Fisher's exact two-sided test of whether answers depend on the class at all; holds also
            where the classes are not of one size and an expert prefers one answer.
        direction: result of the binomial test at 5 %.
    """

    model_config = ConfigDict(frozen=True)

    accuracy: float
    low: float
    high: float
    p_binomial: float
    p_fisher: float
    direction: Direction


def against_chance(confusion: Confusion) -> AgainstChance:
    """Test a confusion matrix, of at least one answer, against guessing."""
    test = binomtest(confusion.correct, confusion.total, 0.5, alternative="two-sided")
    interval = test.proportion_ci(confidence_level=CONFIDENCE, method="exact")
    table = [[confusion.counts[kind][answer] for answer in Origin] for kind in Origin]
    accuracy = confusion.correct / confusion.total
    return AgainstChance(
        accuracy=accuracy,
        low=float(interval.low),
        high=float(interval.high),
        p_binomial=float(test.pvalue),
        p_fisher=float(fisher_exact(table).pvalue),
        direction=_direction(accuracy, float(test.pvalue)),
    )


def verdict_text(result: AgainstChance) -> str:
    """Return in words what the test means, also below chance."""
    share = f"{result.accuracy:.1%}"
    if result.direction == "above chance":
        return f"Above chance: {share} of the answers are right, so the two classes are told apart."
    if result.direction == "below chance":
        return (
            f"Below chance: {share} of the answers are right, fewer than guessing gives. So the two "
            "classes are told apart, and named the wrong way round: with every answer turned, "
            f"{1 - result.accuracy:.1%} would be right. It does not show that generated images pass "
            "for real."
        )
    return (
        f"Not told from chance: {share} of the answers are right. An accuracy of {result.low:.1%} to "
        f"{result.high:.1%} would fit these answers, so this is no proof that the classes cannot be "
        "told apart."
    )


def _direction(accuracy: float, p_value: float) -> Direction:
    if p_value >= SIGNIFICANT:
        return "not told from chance"
    return "above chance" if accuracy > 0.5 else "below chance"
