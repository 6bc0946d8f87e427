"""What a trial says: every arm on every test set, differences between arms, and how training ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel, ConfigDict

from training.trial.arms import Arm
from training.trial.bootstrap import Estimate, Statistic, difference, estimate, mean_of, median_of
from training.trial.results import SetResult, TrainedSegmenter, scoring_text, training_text
from training.trial.settings import ArmKind, TrialSettings
from training.trial.test_sets import TestSet
from training.trial.trial_data import TrialData

CLOSE = 0.10
"""A density within this share of the reader's counts as right, as for eye banks."""


@dataclass(frozen=True)
class Measure:
    """A number that is read off the images of a set.

    Attributes:
        field: of `ImageScore`.
        value: of an image, from that field.
        statistic: over the images.
    """

    field: str
    value: Callable[[np.ndarray], np.ndarray]
    statistic: Statistic


def _itself(values: np.ndarray) -> np.ndarray:
    return values


def _is_close(errors: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(errors), np.nan, np.abs(errors) <= CLOSE)


MEASURES = {
    "f1": Measure("f1", _itself, mean_of),
    "density_error": Measure("density_error", np.abs, mean_of),
    "density_error_median": Measure("density_error", np.abs, median_of),
    "density_bias": Measure("density_error", _itself, mean_of),
    "density_bias_median": Measure("density_error", _itself, median_of),
    "density_within_10_percent": Measure("density_error", _is_close, mean_of),
    "cv_error": Measure("cv_error", np.abs, mean_of),
    "hexagonality_error": Measure("hexagonality_error", np.abs, mean_of),
    "border_f1": Measure("border_f1", _itself, mean_of),
}
"""By name: what is told of an arm on a test set. The values of an image are its means over the seeds."""


class ArmResult(BaseModel):
    """One arm with one seed.

    Attributes:
        label: of the arm.
        seed: of weights, order and choice of images.
        stages: the segmenter after each stage; the last one is scored.
        sets: its scores by test set.
    """

    model_config = ConfigDict(frozen=True)

    label: str
    seed: int
    stages: tuple[TrainedSegmenter, ...]
    sets: dict[str, SetResult]


class Number(BaseModel):
    """A measure of an arm, or of one arm minus another.

    Attributes:
        over_images: with its interval over images.
        by_seed: of each seed by itself.
    """

    model_config = ConfigDict(frozen=True)

    over_images: Estimate
    by_seed: tuple[float, ...]

    @property
    def deviation(self) -> float | None:
        """Sample standard deviation over the seeds; None for one."""
        return float(np.std(self.by_seed, ddof=1)) if len(self.by_seed) > 1 else None

    def turned_round(self) -> Number:
        """Return the difference of the same two arms, the other one first."""
        found = self.over_images
        ends = [None if end is None else -end for end in (found.high, found.low)]
        return Number(
            over_images=found.model_copy(update={"value": -found.value, "low": ends[0], "high": ends[1]}),
            by_seed=tuple(-value for value in self.by_seed),
        )


class ArmSummary(BaseModel):
    """One arm on one test set."""

    model_config = ConfigDict(frozen=True)

    test_set: str
    label: str
    seeds: tuple[int, ...]
    numbers: dict[str, Number]


class ArmDifference(BaseModel):
    """One arm minus another on the same images of one test set, with the seeds that both have."""

    model_config = ConfigDict(frozen=True)

    test_set: str
    label: str
    against: str
    numbers: dict[str, Number]


class ArmRole(BaseModel):
    """What an arm is; see `training.trial.arms.Arm`."""

    model_config = ConfigDict(frozen=True)

    label: str
    kind: ArmKind
    count: int
    source: str | None


class FolderRole(BaseModel):
    """A folder of real images.

    Attributes:
        training: names of the images that are trained on.
        tested: names of those that are scored.
        cells: that are known in the latter.
        factor: by which they were resized.
    """

    model_config = ConfigDict(frozen=True)

    training: tuple[str, ...]
    tested: tuple[str, ...]
    cells: int
    factor: float


class TrialReport(BaseModel):
    """Everything that a trial found out."""

    model_config = ConfigDict(frozen=True)

    settings: TrialSettings
    training: str
    scoring: str
    folders: dict[str, FolderRole]
    arms: tuple[ArmRole, ...]
    summaries: tuple[ArmSummary, ...]
    differences: tuple[ArmDifference, ...]
    results: tuple[ArmResult, ...]


def make_trial_report(
    settings: TrialSettings, data: TrialData, arms: Sequence[Arm], results: Sequence[ArmResult]
) -> TrialReport:
    """Summarise results, at least one, in the order of the arms."""
    labels = [arm.label for arm in arms if any(result.label == arm.label for result in results)]
    ordered = sorted(results, key=lambda result: (labels.index(result.label), result.seed))
    summaries, differences = [], []
    for chosen in data.tests:
        values = {label: _values(ordered, label, chosen.name) for label in labels}
        for label in labels:
            summaries.append(_summary(chosen.name, label, values[label]))
        for k, label in enumerate(labels):
            differences += [
                _difference(chosen.name, label, other, values[label], values[other])
                for other in labels[:k]
                if values[label].keys() & values[other].keys()
            ]
    return TrialReport(
        settings=settings,
        training=training_text(),
        scoring=scoring_text(),
        folders=_folder_roles(data),
        arms=tuple(
            ArmRole(label=arm.label, kind=arm.kind, count=arm.count, source=arm.source)
            for arm in arms
            if arm.label in labels
        ),
        summaries=tuple(summaries),
        differences=tuple(differences),
        results=tuple(ordered),
    )


_Values = dict[int, dict[str, np.ndarray]]
"""By seed and measure: float64 (images,), not a number where it is not known."""


def _values(results: Sequence[ArmResult], label: str, test_set: str) -> _Values:
    return {
        result.seed: {
            name: measure.value(
                np.array(
                    [getattr(image, measure.field) for image in result.sets[test_set].images],
                    dtype=np.float64,
                )
            )
            for name, measure in MEASURES.items()
        }
        for result in results
        if result.label == label
    }


def _summary(test_set: str, label: str, values: _Values) -> ArmSummary:
    numbers = {}
    for name, measure in MEASURES.items():
        over_images = estimate(_over_seeds([values[seed][name] for seed in values]), measure.statistic)
        if over_images is None:
            continue
        numbers[name] = Number(
            over_images=over_images,
            by_seed=tuple(_plain(values[seed][name], measure.statistic) for seed in values),
        )
    return ArmSummary(test_set=test_set, label=label, seeds=tuple(values), numbers=numbers)


def _difference(test_set: str, label: str, against: str, one: _Values, other: _Values) -> ArmDifference:
    seeds = [seed for seed in one if seed in other]
    numbers = {}
    for name, measure in MEASURES.items():
        over_images = difference(
            _over_seeds([one[seed][name] for seed in seeds]),
            _over_seeds([other[seed][name] for seed in seeds]),
            measure.statistic,
        )
        if over_images is None:
            continue
        numbers[name] = Number(
            over_images=over_images,
            by_seed=tuple(
                _plain(one[seed][name], measure.statistic) - _plain(other[seed][name], measure.statistic)
                for seed in seeds
            ),
        )
    return ArmDifference(test_set=test_set, label=label, against=against, numbers=numbers)


def _plain(values: np.ndarray, statistic: Statistic) -> float:
    """Return a statistic of the values that are known; not a number without any."""
    known = values[~np.isnan(values)]
    return float(statistic(known)) if len(known) else float("nan")


def _over_seeds(values: Sequence[np.ndarray]) -> np.ndarray:
    """Return each image's mean over the seeds of which a value is known, else not a number."""
    stacked = np.stack(values)
    known = ~np.isnan(stacked)
    total = np.where(known, stacked, 0.0).sum(axis=0)
    out = np.full(len(total), np.nan)
    np.divide(total, known.sum(axis=0), out=out, where=known.any(axis=0))
    return out


def _folder_roles(data: TrialData) -> dict[str, FolderRole]:
    training = {
        chosen.name: chosen.images
        for chosen in [*data.training, *(own for sets in data.own.values() for own in sets)]
    }
    tested: dict[str, TestSet] = {chosen.name: chosen for chosen in data.tests}
    return {
        name: FolderRole(
            training=tuple(image.file for image in training.get(name, [])),
            tested=tuple(image.file for image in tested[name].images) if name in tested else (),
            cells=tested[name].cells if name in tested else 0,
            factor=tested[name].factor if name in tested else 1.0,
        )
        for name in dict.fromkeys([*training, *tested])
    }
