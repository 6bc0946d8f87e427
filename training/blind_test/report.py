"""The scores of a blind test as an HTML report."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from training.blind_test.blind_set import Origin
from training.blind_test.chance import AgainstChance, verdict_text
from training.blind_test.confusion import ClassScore, Confusion
from training.blind_test.discrimination import discrimination_text
from training.blind_test.figures import confusion_figure, times_figure
from training.blind_test.scores import (
    POOLED,
    AnswerScores,
    BlindTestScores,
    CountScores,
    Quartiles,
)
from training.html_page import Table, write_page


def write_blind_test_report(scores: BlindTestScores, path: Path) -> None:
    """Write the report."""
    everyone = [*scores.experts, *([scores.pooled] if scores.pooled else [])]
    write_page(
        path,
        "blind_test.html",
        title="Blind test: scores",
        scores=scores,
        generated=scores.blind_set.images[Origin.GENERATED],
        real=scores.blind_set.images[Origin.REAL],
        overview=_overview(everyone),
        experts=[_expert(one) for one in everyone],
        times_png=times_figure(everyone),
    )


def write_counts_report(scores: CountScores, path: Path) -> None:
    """Write the report of a confusion matrix without its answers."""
    write_page(
        path,
        "blind_test_counts.html",
        title="Blind test: scores of a confusion matrix",
        scores=scores,
        **_of_matrix("the matrix", scores.confusion, scores.classes, scores.against_chance),
        discrimination=discrimination_text(scores.discrimination),
    )


def _overview(everyone: list[AnswerScores]) -> Table:
    head = ["expert", "answered", "accuracy", "95 % interval", "p, against ½", "verdict"]
    rows = [
        [
            one.name,
            f"{one.answered:,} of {one.asked:,}",
            f"{one.against_chance.accuracy:.3f}",
            _interval(one.against_chance),
            p_value(one.against_chance.p_binomial),
            one.against_chance.direction,
        ]
        for one in everyone
    ]
    return Table("Accuracy of each expert", head, rows)


def _expert(one: AnswerScores) -> dict[str, Any]:
    return {
        "scores": one,
        "pooled": one.name == POOLED,
        **_of_matrix(one.name, one.confusion, one.classes, one.against_chance),
        "discrimination": discrimination_text(one.discrimination),
        "times": _times(one),
    }


def _of_matrix(
    name: str, confusion: Confusion, classes: Mapping[Origin, ClassScore], chance: AgainstChance
) -> dict[str, Any]:
    """Return what is shown of one confusion matrix."""
    counts = confusion.counts
    texts = (f"{kind} taken for {answer}: {counts[kind][answer]}" for kind in Origin for answer in Origin)
    return {
        "verdict": verdict_text(chance),
        "classes": _classes(name, classes),
        "interval": _interval(chance),
        "p_binomial": p_value(chance.p_binomial),
        "p_fisher": p_value(chance.p_fisher),
        "confusion_png": confusion_figure(confusion),
        "confusion_text": "; ".join(texts),
    }


def _classes(name: str, classes: Mapping[Origin, ClassScore]) -> Table:
    rows = [
        [
            str(kind),
            *(_number(value) for value in (found.precision, found.recall, found.f1)),
            f"{found.support:,}",
        ]
        for kind, found in classes.items()
    ]
    return Table(f"Scores of {name}", ["class", "precision", "recall", "F1", "support"], rows)


def _times(one: AnswerScores) -> Table:
    rows = [_quartiles("all", one.times.overall)]
    rows += [_quartiles(f"{kind}, right", one.times.right[kind]) for kind in Origin]
    rows += [_quartiles(f"{kind}, wrong", one.times.wrong[kind]) for kind in Origin]
    head = ["response time, s", "answers", "lower quartile", "median", "upper quartile"]
    return Table(f"Response times of {one.name}", head, rows)


def _quartiles(name: str, times: Quartiles | None) -> list[str]:
    if times is None:
        return [name, "0", "–", "–", "–"]
    return [
        name,
        f"{times.answers:,}",
        *(f"{value:.2f}" for value in (times.lower, times.median, times.upper)),
    ]


def p_value(value: float) -> str:
    """Return a p-value with two digits; the smallest ones as a bound."""
    if value < 1e-300:
        return "< 1e-300"
    return f"{value:.2g}" if value >= 1e-4 else f"{value:.1e}"


def _interval(chance: AgainstChance) -> str:
    return f"{chance.low:.3f} to {chance.high:.3f}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
