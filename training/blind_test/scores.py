"""Score the answers to a blind test."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel, ConfigDict

from training.blind_test.agreement import Agreement, measure_agreement
from training.blind_test.answers import Answer
from training.blind_test.blind_set import AnswerKey, BlindTestError, Origin
from training.blind_test.chance import AgainstChance, against_chance
from training.blind_test.confusion import ClassScore, Confusion
from training.blind_test.discrimination import Discrimination, measure_discrimination

POOLED = "all experts"


class Quartiles(BaseModel):
    """Response times of some answers, in seconds."""

    model_config = ConfigDict(frozen=True)

    answers: int
    lower: float
    median: float
    upper: float


class ResponseTimes(BaseModel):
    """Response times of all answers, and by class and by whether the answer was right.

    Attributes:
        overall: of all answers.
        right: by class, of right answers; None where there is none.
        wrong: by class, of wrong answers; None where there is none.
    """

    model_config = ConfigDict(frozen=True)

    overall: Quartiles
    right: dict[Origin, Quartiles | None]
    wrong: dict[Origin, Quartiles | None]


class AnswerScores(BaseModel):
    """Scores of the answers of one expert, or of all together.

    Attributes:
        name: of the expert, or `POOLED`.
        answered: images answered, over all experts if pooled.
        asked: images of the set, times the experts if pooled.
        changed: answers that were changed later; the last one counts.
        confusion: absolute counts.
        classes: by class.
        against_chance: accuracy and its tests.
        discrimination: whether the classes are told apart, and which answer is preferred.
        times: time until the first answer to an image, by whether that answer was right.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    answered: int
    asked: int
    changed: int
    confusion: Confusion
    classes: dict[Origin, ClassScore]
    against_chance: AgainstChance
    discrimination: Discrimination
    times: ResponseTimes

    @property
    def finished(self) -> bool:
        """Whether every image was answered."""
        return self.answered == self.asked


class CountScores(BaseModel):
    """Scores of a confusion matrix whose answers are not at hand, such as a published one.

    Attributes:
        schema_version: 1.
        confusion: absolute counts.
        classes: by class.
        against_chance: accuracy and its tests.
        discrimination: whether the classes are told apart, and which answer is preferred.
    """

    model_config = ConfigDict(frozen=True)

    schema_version: int = 1
    confusion: Confusion
    classes: dict[Origin, ClassScore]
    against_chance: AgainstChance
    discrimination: Discrimination


class ScoredSet(BaseModel):
    """The set that was answered."""

    model_config = ConfigDict(frozen=True)

    digest: str
    checkpoint: str
    generator_sha256: str
    same_data_as_checkpoint: bool
    real_from: str
    real_images: int
    disjoint_crops: int
    seed: int
    images: dict[Origin, int]


class BlindTestScores(BaseModel):
    """The scores of a blind test.

    Attributes:
        schema_version: 1.
        blind_set: what was answered.
        experts: each expert by name.
        pooled: the answers of all experts together, of two or more.
        agreement: between the experts, of two or more.
    """

    model_config = ConfigDict(frozen=True)

    schema_version: int = 1
    blind_set: ScoredSet
    experts: tuple[AnswerScores, ...]
    pooled: AnswerScores | None
    agreement: Agreement | None


@dataclass
class _Judged:
    """One expert's answers to one image: the first with its time, and the last, which counts."""

    kind: Origin
    first: Origin
    seconds: float
    answer: Origin
    changes: int = 0


def score_answers(key: AnswerKey, answers: Iterable[Answer]) -> BlindTestScores:
    """Score the answers to a blind test; experts that have not finished count with what they answered.

    Raises:
        BlindTestError: there is no answer, or one to an image that the set does not have.
    """
    judged = _judge(key, answers)
    if not judged:
        raise BlindTestError("nobody has answered yet: there is nothing to score")
    total = len(key.images)
    several = len(judged) > 1
    everything = [one for of_expert in judged.values() for one in of_expert.values()]
    given = {
        expert: {image: one.answer for image, one in of_expert.items()}
        for expert, of_expert in judged.items()
    }
    kinds = [entry.kind for entry in key.images.values()]
    return BlindTestScores(
        blind_set=ScoredSet(
            **key.model_dump(exclude={"images", "data_sha256", "schema_version"}),
            images={kind: kinds.count(kind) for kind in Origin},
        ),
        experts=tuple(
            _scores(expert, list(of_expert.values()), total) for expert, of_expert in judged.items()
        ),
        pooled=_scores(POOLED, everything, total * len(judged)) if several else None,
        agreement=measure_agreement(given) if several else None,
    )


def score_counts(confusion: Confusion) -> CountScores:
    """Score a confusion matrix.

    Raises:
        BlindTestError: it has no answer.
    """
    if not confusion.total:
        raise BlindTestError("all four counts are 0: there is nothing to score")
    return CountScores(
        confusion=confusion,
        classes={kind: confusion.class_score(kind) for kind in Origin},
        against_chance=against_chance(confusion),
        discrimination=measure_discrimination(confusion),
    )


def _judge(key: AnswerKey, answers: Iterable[Answer]) -> dict[str, dict[str, _Judged]]:
    """Return the answers by expert and image."""
    judged: dict[str, dict[str, _Judged]] = {}
    for given in answers:
        entry = key.images.get(given.image)
        if entry is None:
            raise BlindTestError(
                f"{given.expert} has answered an image {given.image}, which this set does not have: "
                "these are answers to another set"
            )
        of_expert = judged.setdefault(given.expert, {})
        before = of_expert.get(given.image)
        if before is None:
            of_expert[given.image] = _Judged(
                entry.kind, given.answer, given.visible_ms / 1000, given.answer
            )
        elif before.answer is not given.answer:
            before.answer = given.answer
            before.changes += 1
    return dict(sorted(judged.items()))


def _scores(name: str, judged: Sequence[_Judged], asked: int) -> AnswerScores:
    confusion = Confusion.of((one.kind, one.answer) for one in judged)
    found = score_counts(confusion)
    return AnswerScores(
        name=name,
        answered=len(judged),
        asked=asked,
        changed=sum(one.changes for one in judged),
        confusion=confusion,
        classes=found.classes,
        against_chance=found.against_chance,
        discrimination=found.discrimination,
        times=response_times((one.kind, one.first, one.seconds) for one in judged),
    )


def response_times(timed: Iterable[tuple[Origin, Origin, float]]) -> ResponseTimes:
    """Summarise (class, answer, seconds), at least one."""
    answers = list(timed)

    def of(kind: Origin, *, right: bool) -> Quartiles | None:
        chosen = [
            seconds for truth, answer, seconds in answers if truth is kind and (truth is answer) is right
        ]
        return _quartiles(chosen) if chosen else None

    return ResponseTimes(
        overall=_quartiles([seconds for _, _, seconds in answers]),
        right={kind: of(kind, right=True) for kind in Origin},
        wrong={kind: of(kind, right=False) for kind in Origin},
    )


def _quartiles(seconds: Sequence[float]) -> Quartiles:
    lower, median, upper = np.quantile(seconds, [0.25, 0.5, 0.75])
    return Quartiles(answers=len(seconds), lower=float(lower), median=float(median), upper=float(upper))
