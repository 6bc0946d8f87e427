"""Which sets of images are compared with which, and their scores in every draw."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from endotwin.generator.card import ScoreSummary, Spread
from training.scores.feature_scores import kid, neighbourhoods
from training.scores.fid import fid_from_features
from training.scores.image_sets import DRAWS, ImageSets, SetName, progress_bar

ComparisonName = Literal[
    "generated_training", "generated_held_out", "real_real", "real_held_out", "noise_real"
]

SCORES = ("fid", "kid", "precision", "recall", "density", "coverage")


class ComparedSets(NamedTuple):
    """Two sets of images.

    Attributes:
        first: what is judged.
        second: what it is judged by.
        words: both in plain words, as the card's FID names them.
    """

    first: SetName
    second: SetName
    words: tuple[str, str]


COMPARISONS: dict[ComparisonName, ComparedSets] = {
    "generated_training": ComparedSets("generated", "training", ("generated images", "training crops")),
    "generated_held_out": ComparedSets("generated", "held_out", ("generated images", "held-out crops")),
    "real_real": ComparedSets("training", "training", ("training crops", "training crops, second draw")),
    "real_held_out": ComparedSets("training", "held_out", ("training crops", "held-out crops")),
    "noise_real": ComparedSets("noise", "training", ("uniform noise", "training crops")),
}


class DrawScores(BaseModel):
    """The scores of one draw."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    fid: float
    kid: float
    kid_subset_deviation: float = Field(description="population standard deviation over KID's subsets")
    precision: float
    recall: float
    density: float
    coverage: float


class SetComparison(BaseModel):
    """Two sets of as many images, compared in every draw."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: ComparisonName
    first: str
    second: str
    count: int = Field(description="images on either side")
    draws: tuple[DrawScores, ...]
    summary: ScoreSummary


def pair_of(name: ComparisonName, draw: int) -> tuple[tuple[SetName, int], tuple[SetName, int]]:
    """Return which draw of which set is compared with which in a draw of a comparison.

    Three draws of training crops make the three real-against-real pairs: first and second, second and
    third, third and first.
    """
    first, second, _ = COMPARISONS[name]
    return (first, draw), (second, (draw + 1) % DRAWS if first == second else draw)


def possible_comparisons(sets: ImageSets) -> Iterator[ComparisonName]:
    """Yield the comparisons that the data set allows: those with held-out crops need held-out images."""
    for name, compared in COMPARISONS.items():
        if sets.has_held_out or compared.second != "held_out":
            yield name


def fid_of_pair(sets: ImageSets, name: ComparisonName, draw: int) -> float:
    """Return the FID of a comparison in one draw, as it is recorded: to four digits."""
    first, second = pair_of(name, draw)
    return round(fid_from_features(sets.features(*first), sets.features(*second)), 4)


def compare_sets(sets: ImageSets, *, quiet: bool = False) -> tuple[SetComparison, ...]:
    """Measure every score of every possible comparison in every draw.

    Args:
        sets: the images.
        quiet: no progress bar.
    """
    names = list(possible_comparisons(sets))
    for name in names:  # all features first: they take longest, and are kept
        for draw in range(DRAWS):
            for side in pair_of(name, draw):
                sets.features(*side)
    found = []
    with progress_bar("scores", len(names) * DRAWS, quiet=quiet) as bar:
        for name in names:
            draws = []
            for draw in range(DRAWS):
                draws.append(_scores(sets, name, draw))
                bar.update(1)
            first, second = COMPARISONS[name].words
            found.append(
                SetComparison(
                    name=name,
                    first=first,
                    second=second,
                    count=sets.count,
                    draws=tuple(draws),
                    summary=_summary(draws),
                )
            )
    return tuple(found)


def _scores(sets: ImageSets, name: ComparisonName, draw: int) -> DrawScores:
    first, second = (sets.features(*side) for side in pair_of(name, draw))
    distance = kid(first, second)
    near = neighbourhoods(first, second)
    return DrawScores(
        fid=fid_of_pair(sets, name, draw),
        kid=round(distance.mean, 7),
        kid_subset_deviation=round(distance.subset_deviation, 7),
        precision=round(near.precision, 5),
        recall=round(near.recall, 5),
        density=round(near.density, 5),
        coverage=round(near.coverage, 5),
    )


def _summary(draws: list[DrawScores]) -> ScoreSummary:
    def spread(score: str) -> Spread:
        values = [float(getattr(scores, score)) for scores in draws]
        return Spread(mean=round(statistics.fmean(values), 7), deviation=round(statistics.stdev(values), 7))

    return ScoreSummary(**{score: spread(score) for score in SCORES})
