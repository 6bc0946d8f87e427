"""Confusion matrices of a blind test, and precision, recall and F1 of each class."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pydantic import BaseModel, ConfigDict, model_validator

from training.blind_test.blind_set import Origin


class ClassScore(BaseModel):
    """How one class was recognised.

    Attributes:
        precision: of the images taken for this class, the share that is of it; None: there is none.
        recall: of the images of this class, the share that was taken for it; None: there is none.
        f1: harmonic mean of the two; None: no image is of this class or was taken for it.
        support: images of this class.
    """

    model_config = ConfigDict(frozen=True)

    precision: float | None
    recall: float | None
    f1: float | None
    support: int


class Confusion(BaseModel):
    """How often images of each class were taken for each class.

    Attributes:
        counts: by class, then by answer.
    """

    model_config = ConfigDict(frozen=True)

    counts: dict[Origin, dict[Origin, int]]

    @model_validator(mode="after")
    def _complete(self) -> Confusion:
        kinds = set(Origin)
        complete = set(self.counts) == kinds and all(set(row) == kinds for row in self.counts.values())
        if not complete or min(self._flat()) < 0:
            raise ValueError("a confusion matrix has a count, 0 or more, for each class and each answer")
        return self

    @classmethod
    def of(cls, pairs: Iterable[tuple[Origin, Origin]]) -> Confusion:
        """Count pairs of class and answer."""
        counts = {kind: dict.fromkeys(Origin, 0) for kind in Origin}
        for kind, answer in pairs:
            counts[kind][answer] += 1
        return cls(counts=counts)

    @classmethod
    def of_counts(cls, real: Sequence[int], generated: Sequence[int]) -> Confusion:
        """Return the matrix of counts: of each class, how many were taken for real and for generated."""
        answers = (Origin.REAL, Origin.GENERATED)
        return cls(
            counts={
                Origin.REAL: dict(zip(answers, real, strict=True)),
                Origin.GENERATED: dict(zip(answers, generated, strict=True)),
            }
        )

    @property
    def total(self) -> int:
        """All answers."""
        return sum(self._flat())

    @property
    def correct(self) -> int:
        """Answers that are right."""
        return sum(self.counts[kind][kind] for kind in Origin)

    def support(self, kind: Origin) -> int:
        """Return the number of images of a class."""
        return sum(self.counts[kind].values())

    def class_score(self, kind: Origin) -> ClassScore:
        """Return how a class was recognised."""
        right = self.counts[kind][kind]
        support, taken = self.support(kind), sum(row[kind] for row in self.counts.values())
        return ClassScore(
            precision=_share(right, taken),
            recall=_share(right, support),
            f1=_share(2 * right, support + taken),
            support=support,
        )

    def row_shares(self, kind: Origin) -> dict[Origin, float | None]:
        """Return the shares of the answers to images of a class; None where there is no image."""
        return {answer: _share(count, self.support(kind)) for answer, count in self.counts[kind].items()}

    def _flat(self) -> list[int]:
        return [count for row in self.counts.values() for count in row.values()]


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
