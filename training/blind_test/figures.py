"""Figures of a blind test: confusion matrices as in the paper's Fig. 8, and response times."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from training.blind_test.blind_set import Origin
from training.blind_test.confusion import Confusion
from training.blind_test.scores import AnswerScores
from training.scores.figures import figure_png

_CLASSES = tuple(Origin)


def confusion_figure(confusion: Confusion) -> bytes:
    """Draw a confusion matrix absolute and as shares of its rows, as a PNG."""
    counts = np.array([[confusion.counts[kind][answer] for answer in _CLASSES] for kind in _CLASSES])
    shares = row_shares(confusion)
    figure = Figure(figsize=(8.4, 3.9), layout="constrained")
    left, right = figure.subplots(1, 2)
    _matrix(left, counts / max(1, int(counts.max())), [[f"{n:,}" for n in row] for row in counts])
    left.set_title("answers")
    texts = [["no image" if np.isnan(share) else f"{share:.3f}" for share in row] for row in shares]
    _matrix(right, shares, texts)
    right.set_title("share of the row")
    return figure_png(figure)


def row_shares(confusion: Confusion) -> np.ndarray:
    """Return the shares of answers to each class, float64 (2, 2), both in the order of `Origin`.

    A class without an image has no shares: its row is nan.
    """
    rows = [[confusion.row_shares(kind)[answer] for answer in _CLASSES] for kind in _CLASSES]
    return np.array([[np.nan if share is None else share for share in row] for row in rows])


def times_figure(experts: Sequence[AnswerScores]) -> bytes:
    """Draw the quartiles of the response times, by class and by whether the answer was right, as a PNG."""
    figure = Figure(figsize=(8.4, 1.3 + 1.1 * len(experts)), layout="constrained")
    axes = figure.subplots()
    labels: list[str] = []
    for expert in experts:
        for kind in _CLASSES:
            for times, verdict, colour in (
                (expert.times.right[kind], "right", "#1f6f54"),
                (expert.times.wrong[kind], "wrong", "#b3541e"),
            ):
                place = len(labels)
                labels.append(f"{expert.name}: {kind}, {verdict}")
                if times is not None:
                    axes.plot(
                        [times.lower, times.upper], [place, place], color=colour, linewidth=5, alpha=0.5
                    )
                    axes.plot([times.median], [place], "o", color=colour)
    axes.set_yticks(range(len(labels)), labels, fontsize=8)
    axes.invert_yaxis()
    axes.set_xlim(left=0)
    axes.set_xlabel("seconds: bar from lower to upper quartile, dot at the median")
    return figure_png(figure)


def _matrix(axes: Axes, shades: np.ndarray, texts: Sequence[Sequence[str]]) -> None:
    axes.imshow(shades, cmap="Blues", vmin=0, vmax=1)
    for y, row in enumerate(texts):
        for x, text in enumerate(row):
            dark = bool(shades[y, x] > 0.5)
            axes.text(x, y, text, ha="center", va="center", fontsize=13, color="white" if dark else "black")
    names = [str(kind) for kind in _CLASSES]
    axes.set_xticks(range(len(names)), names)
    axes.set_yticks(range(len(names)), names, rotation=90, va="center")
    axes.set_xlabel("taken for")
    axes.set_ylabel("is")
