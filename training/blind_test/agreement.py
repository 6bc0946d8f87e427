"""Agreement between experts, beyond what chance gives: Cohen's kappa for two, Fleiss' for more."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from pydantic import BaseModel, ConfigDict

from training.blind_test.blind_set import Origin


class Agreement(BaseModel):
    """How far experts agree, whether they are right or not.

    Attributes:
        measure: which kappa.
        experts: their names.
        images: images that all of them have answered; only these count.
        observed: share of pairs of answers to one image that are equal; None without such an image.
        kappa: 1 full agreement, 0 as by chance; None where it is not defined: without a common image, or
            where all answers are the same.
    """

    model_config = ConfigDict(frozen=True)

    measure: str
    experts: tuple[str, ...]
    images: int
    observed: float | None
    kappa: float | None


def measure_agreement(answers: Mapping[str, Mapping[str, Origin]]) -> Agreement:
    """Measure the agreement of at least two experts.

    Args:
        answers: by expert, then by image.
    """
    experts = tuple(answers)
    common = sorted(set.intersection(*(set(given) for given in answers.values())))
    kinds = list(Origin)
    table = np.array(
        [[kinds.index(answers[expert][image]) for expert in experts] for image in common]
    ).reshape(len(common), len(experts))
    two = len(experts) == 2
    observed, kappa = (cohens_kappa if two else fleiss_kappa)(table, len(kinds))
    return Agreement(
        measure="Cohen's kappa" if two else "Fleiss' kappa",
        experts=experts,
        images=len(common),
        observed=observed,
        kappa=kappa,
    )


def cohens_kappa(answers: np.ndarray, categories: int) -> tuple[float | None, float | None]:
    """Return observed agreement and Cohen's kappa (Cohen 1960) of two experts.

    Args:
        answers: category, 0 to categories - 1, by subject and expert: shape (n, 2).
        categories: number of categories.
    """
    if len(answers) == 0:
        return None, None
    observed = float(np.mean(answers[:, 0] == answers[:, 1]))
    first, second = (np.bincount(answers[:, k], minlength=categories) / len(answers) for k in (0, 1))
    return observed, _beyond_chance(observed, float(first @ second))


def fleiss_kappa(answers: np.ndarray, categories: int) -> tuple[float | None, float | None]:
    """Return observed agreement and Fleiss' kappa (Fleiss 1971) of several experts.

    Args:
        answers: category, 0 to categories - 1, by subject and expert: shape (n, experts).
        categories: number of categories.
    """
    if len(answers) == 0:
        return None, None
    experts = answers.shape[1]
    counts = np.stack([np.sum(answers == k, axis=1) for k in range(categories)], axis=1)
    observed = float(np.mean((counts * (counts - 1)).sum(axis=1) / (experts * (experts - 1))))
    shares = counts.sum(axis=0) / answers.size
    return observed, _beyond_chance(observed, float(shares @ shares))


def _beyond_chance(observed: float, by_chance: float) -> float | None:
    return None if by_chance >= 1 else (observed - by_chance) / (1 - by_chance)
