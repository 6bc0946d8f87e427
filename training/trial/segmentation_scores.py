"""Scores of predicted borders against an expert's: overlap, and errors of the morphometry."""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict

from training.trial.annotated_images import AnnotatedImage
from training.trial.borders import thick, thin
from training.trial.cells import CellCounts, cells_from_borders, count_cells, pool_counts

THRESHOLD = 0.5
"""A pixel is on a border from this probability on."""


class Overlap(BaseModel):
    """Pixels of two border bands in the annotated area: in both, only predicted, only the expert's."""

    model_config = ConfigDict(frozen=True)

    both: int
    only_predicted: int
    only_expert: int

    @property
    def dice(self) -> float:
        """Twice the common pixels over the sum of both bands; 1 if there is no border at all."""
        total = 2 * self.both + self.only_predicted + self.only_expert
        return 2 * self.both / total if total else 1.0

    @property
    def precision(self) -> float:
        """Share of the predicted band that is on the expert's; 0 if nothing is predicted."""
        predicted = self.both + self.only_predicted
        return self.both / predicted if predicted else 0.0

    @property
    def recall(self) -> float:
        """Share of the expert's band that is predicted; 1 if the expert drew none."""
        expert = self.both + self.only_expert
        return self.both / expert if expert else 1.0


class SegmentationScores(BaseModel):
    """Overlap as shares, and errors relative to the expert's value (0.05: five percent)."""

    model_config = ConfigDict(frozen=True)

    dice: float
    precision: float
    recall: float
    density_error: float | None
    cv_error: float | None
    hexagonality_error: float | None


class ImageScore(BaseModel):
    """One test image; its errors are signed, positive where the prediction is larger."""

    model_config = ConfigDict(frozen=True)

    file: str
    overlap: Overlap
    expert: CellCounts
    predicted: CellCounts
    scores: SegmentationScores


class SetScore(BaseModel):
    """The images of one test set.

    Attributes:
        mean: means over the images, of the absolute errors.
        pooled: all images as one, errors signed.
        images: each image.
    """

    model_config = ConfigDict(frozen=True)

    mean: SegmentationScores
    pooled: SegmentationScores
    images: tuple[ImageScore, ...]


def score_image(probability: np.ndarray, image: AnnotatedImage) -> ImageScore:
    """Compare border probabilities, float (H, W), with an image's expert borders.

    Overlap: the probability is cut at 0.5 and thinned to centre lines; these and the expert's are dilated
    by 3 × 3, and compared in the annotated area. Morphometry: cells are found in the probability and in the
    expert's dilated lines in one and the same way.
    """
    overlap = overlap_of(thin(probability >= THRESHOLD), image.lines, image.area)
    expert = count_cells(cells_from_borders(thick(image.lines)), image.area)
    predicted = count_cells(cells_from_borders(probability), image.area)
    return ImageScore(
        file=image.file,
        overlap=overlap,
        expert=expert,
        predicted=predicted,
        scores=_scores(overlap, predicted, expert),
    )


def overlap_of(predicted: np.ndarray, expert: np.ndarray, area: np.ndarray) -> Overlap:
    """Compare one-pixel lines, bool (H, W), after dilation by 3 × 3, in the area."""
    predicted, expert = thick(predicted) & area, thick(expert) & area
    return Overlap(
        both=int((predicted & expert).sum()),
        only_predicted=int((predicted & ~expert).sum()),
        only_expert=int((expert & ~predicted).sum()),
    )


def summarise(images: list[ImageScore]) -> SetScore:
    """Combine the scores of a set's images, at least one."""
    overlap = Overlap(
        both=sum(image.overlap.both for image in images),
        only_predicted=sum(image.overlap.only_predicted for image in images),
        only_expert=sum(image.overlap.only_expert for image in images),
    )
    predicted = pool_counts([image.predicted for image in images])
    expert = pool_counts([image.expert for image in images])
    return SetScore(
        mean=SegmentationScores(
            dice=float(np.mean([image.scores.dice for image in images])),
            precision=float(np.mean([image.scores.precision for image in images])),
            recall=float(np.mean([image.scores.recall for image in images])),
            density_error=_mean_absolute([image.scores.density_error for image in images]),
            cv_error=_mean_absolute([image.scores.cv_error for image in images]),
            hexagonality_error=_mean_absolute([image.scores.hexagonality_error for image in images]),
        ),
        pooled=_scores(overlap, predicted, expert),
        images=tuple(images),
    )


def _scores(overlap: Overlap, predicted: CellCounts, expert: CellCounts) -> SegmentationScores:
    return SegmentationScores(
        dice=overlap.dice,
        precision=overlap.precision,
        recall=overlap.recall,
        density_error=relative_error(predicted.density, expert.density),
        cv_error=relative_error(predicted.cv, expert.cv),
        hexagonality_error=relative_error(predicted.hexagonality, expert.hexagonality),
    )


def relative_error(value: float | None, reference: float | None) -> float | None:
    """Return the relative error; None where either is unknown or the reference is 0."""
    return value / reference - 1 if value is not None and reference else None


def _mean_absolute(errors: list[float | None]) -> float | None:
    known = [abs(error) for error in errors if error is not None]
    return float(np.mean(known)) if known else None
