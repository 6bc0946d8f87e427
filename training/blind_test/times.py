"""How long experts looked at an image before they answered."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from training.blind_test.kind import Kind


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
    right: dict[Kind, Quartiles | None]
    wrong: dict[Kind, Quartiles | None]


def response_times(timed: Iterable[tuple[Kind, Kind, float]]) -> ResponseTimes:
    """Summarise (class, answer, seconds), at least one."""
    answers = list(timed)

    def of(kind: Kind, *, right: bool) -> Quartiles | None:
        chosen = [
            seconds for truth, answer, seconds in answers if truth is kind and (truth is answer) is right
        ]
        return _quartiles(chosen) if chosen else None

    return ResponseTimes(
        overall=_quartiles([seconds for _, _, seconds in answers]),
        right={kind: of(kind, right=True) for kind in Kind},
        wrong={kind: of(kind, right=False) for kind in Kind},
    )


def _quartiles(seconds: Sequence[float]) -> Quartiles:
    lower, median, upper = np.quantile(seconds, [0.25, 0.5, 0.75])
    return Quartiles(answers=len(seconds), lower=float(lower), median=float(median), upper=float(upper))
