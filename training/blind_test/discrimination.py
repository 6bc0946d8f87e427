"""Discrimination and bias apart: whether the classes are told apart, and which answer is preferred."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict
from scipy.stats import norm

from training.blind_test.blind_set import Origin
from training.blind_test.confusion import Confusion


class Discrimination(BaseModel):
    """What signal detection theory makes of a confusion matrix (Green and Swets 1966).

    Attributes:
        balanced_accuracy: mean of the recalls of both classes: one half for whoever does not see a
            difference, whatever answer is preferred; below it, the classes are told apart and named the
            wrong way round. None where a class has no image.
        d_prime: distance of the two classes in standard deviations of what the expert sees, 0 for no
            difference, negative for names the wrong way round. None where a class has no image.
        called_real: share of all images that were taken for real.
        criterion: bias in the same unit: 0 for none, negative for an expert who prefers "real". None where
            a class has no image.
    """

    model_config = ConfigDict(frozen=True)

    balanced_accuracy: float | None
    d_prime: float | None
    called_real: float
    criterion: float | None


def measure_discrimination(confusion: Confusion) -> Discrimination:
    """Measure discrimination and bias of a confusion matrix, of at least one answer.

    Half an answer is added to each count for d′ and the criterion (Hautus, Behavior Research Methods 1995),
    so that they are finite where an expert was always right.
    """
    real, generated = confusion.counts[Origin.REAL], confusion.counts[Origin.GENERATED]
    called_real = (real[Origin.REAL] + generated[Origin.REAL]) / confusion.total
    if not confusion.support(Origin.REAL) or not confusion.support(Origin.GENERATED):
        return Discrimination(balanced_accuracy=None, d_prime=None, called_real=called_real, criterion=None)
    recalls = [confusion.counts[kind][kind] / confusion.support(kind) for kind in Origin]
    hits, false_alarms = (
        float(norm.ppf((counts[Origin.REAL] + 0.5) / (sum(counts.values()) + 1)))
        for counts in (real, generated)
    )
    return Discrimination(
        balanced_accuracy=sum(recalls) / len(recalls),
        d_prime=hits - false_alarms,
        called_real=called_real,
        criterion=-0.5 * (hits + false_alarms),
    )


def discrimination_text(found: Discrimination) -> str:
    """Return both in words, each by itself."""
    bias = f"Bias: {found.called_real:.1%} of the images were taken for real"
    if found.criterion is not None:
        bias += f" (criterion {found.criterion:+.2f}; 0 prefers neither answer)"
    if found.balanced_accuracy is None or found.d_prime is None:
        return f"Discrimination: not measured, one class has no image. {bias}."
    return (
        f"Discrimination: balanced accuracy {found.balanced_accuracy:.3f}, d′ {found.d_prime:+.2f} (one "
        f"half and 0: no difference seen; below: the classes are named the wrong way round). {bias}."
    )
