"""How good a segmenter is on annotated images, as `endotwin segment` uses it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from torch import Tensor

from endotwin.segmentation.card import SegmenterCard, SetScore
from endotwin.segmentation.cells import cells_from_borders
from endotwin.segmentation.certain_cells import cut_by_edge
from endotwin.segmentation.network import new_segmenter
from endotwin.segmentation.segmentation import Segmentation
from endotwin.segmentation.segmenter import Segmenter
from endotwin.segmentation.windows import resize
from training.segmenter.labelled_set import LabelledSet
from training.trial.annotated_images import AnnotatedImage
from training.trial.borders import thick, thin
from training.trial.cells import count_cells
from training.trial.counted_images import CountedImage
from training.trial.segmentation_scores import ImageScore, relative_error, score_image
from training.trial.test_sets import TestImage, TestSet

PROTOCOL = (
    "Each image alone, trimmed to what is annotated and 32 pixels around, at the size of cells that is "
    "found in it. F1: of the cells in the annotated area (or the hull of the counted centres) as in "
    "docs/trial.md, certain or not. Density, CV, hexagonality: the numbers that `endotwin segment` tells, "
    "of certain whole cells, against the expert's; images of which it tells none are left out of these."
)

_GENERATED = 32
"""Images of the validation part that are scored."""


def with_scores(
    weights: dict[str, Tensor], card: SegmenterCard, chosen: LabelledSet, tests: Sequence[TestSet]
) -> SegmenterCard:
    """Return the card of a segmenter with its scores on its set's validation part and on test sets."""
    network = new_segmenter(0)
    network.load_state_dict(weights)
    segmenter = Segmenter(network.eval().requires_grad_(False), card)
    scores = (score_generated(segmenter, chosen), *score_tests(segmenter, tests))
    return card.model_copy(update={"scores": scores, "protocol": PROTOCOL})


def score_tests(segmenter: Segmenter, tests: Sequence[TestSet]) -> Iterator[SetScore]:
    """Yield the scores on each test set, of real images that the segmenter has not seen."""
    for test in tests:
        pairs = zip(test.plain, test.images, strict=True)
        yield _summary(test.name, True, [_score(segmenter, plain, image) for plain, image in pairs])


def score_generated(segmenter: Segmenter, chosen: LabelledSet) -> SetScore:
    """Return the scores on images of a set's validation part."""
    scores = []
    for labelled in chosen.validation[:_GENERATED]:
        bands, area = labelled.bands_and_area
        cells = cells_from_borders(bands)
        whole = area & ~cut_by_edge(cells)[cells]  # as an expert draws no cell that the edge cuts
        if whole.any():
            image = AnnotatedImage("", labelled.image, thin(bands), whole, cells=1)
            scores.append(_score(segmenter, labelled.image, image))
    return _summary("validation", False, scores)


def _score(segmenter: Segmenter, plain: np.ndarray, image: TestImage) -> ImageScore:
    found = segmenter.segment(plain)
    probability = resize(found.probability, *image.pixels.shape).clip(0, 1)
    return score_image(probability, image).model_copy(update=_told(found, plain, image))


def _told(found: Segmentation, plain: np.ndarray, image: TestImage) -> dict[str, float | None]:
    """Return the errors of the numbers that are told of an image."""
    measured = found.morphometry
    density = measured.density((plain.shape[0] / image.pixels.shape[0]) ** 2)
    if isinstance(image, CountedImage):
        return {"density_error": relative_error(density, 1 / image.cell_area)}
    known = count_cells(cells_from_borders(thick(image.lines)), image.area)
    return {
        "density_error": relative_error(density, known.density),
        "cv_error": relative_error(measured.cv, known.cv),
        "hexagonality_error": relative_error(measured.hexagonality, known.hexagonality),
    }


def _summary(name: str, real: bool, scores: Sequence[ImageScore]) -> SetScore:
    densities = np.array([score.density_error for score in scores if score.density_error is not None])
    return SetScore(
        name=name,
        real=real,
        images=len(scores),
        told=len(densities),
        f1=round(float(np.mean([score.f1 for score in scores])), 4),
        density_error=_mean(np.abs(densities)),
        density_error_median=round(float(np.median(np.abs(densities))), 4) if len(densities) else None,
        density_bias=_mean(densities),
        cv_error=_mean(np.abs([score.cv_error for score in scores if score.cv_error is not None])),
        hexagonality_error=_mean(
            np.abs([score.hexagonality_error for score in scores if score.hexagonality_error is not None])
        ),
    )


def _mean(values: np.ndarray) -> float | None:
    return round(float(values.mean()), 4) if len(values) else None
