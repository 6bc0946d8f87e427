"""What is read off a prediction, against what an expert drew or a reader counted in the same image."""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict
from scipy import ndimage

from endotwin.segmentation.cells import cells_from_borders
from training.trial.annotated_images import AnnotatedImage
from training.trial.borders import thick, thin
from training.trial.cell_matches import density_within, match_cells, match_centres
from training.trial.cells import count_cells
from training.trial.counted_images import CountedImage
from training.trial.test_sets import TestImage

THRESHOLD = 0.5
"""A pixel is on a border from this probability on."""

TOLERANCE = 2.0
"""Distance in pixels up to which a border is where an expert drew it."""

FEWEST_CELLS = 4
"""A density of fewer cells, by the area that was read, is not told."""


class ImageScore(BaseModel):
    """One test image; errors are relative (0.05: five percent) and signed, positive where too large.

    Attributes:
        file: of the image.
        cells: number of cells that are known.
        f1: of the cells found.
        density_error: None where too few cells were counted.
        cv_error: of the coefficient of variation of the cells' areas; None without borders.
        hexagonality_error: of the share of cells with six neighbours; None without borders.
        border_f1: of border lines within two pixels; None without borders.
    """

    model_config = ConfigDict(frozen=True)

    file: str
    cells: int
    f1: float
    density_error: float | None
    cv_error: float | None = None
    hexagonality_error: float | None = None
    border_f1: float | None = None


def score_image(probability: np.ndarray, image: TestImage) -> ImageScore:
    """Read cells and borders off border probabilities, float (H, W), and compare them with an image's own.

    Cells are basins of the probability, and of the expert's lines in one and the same way.
    """
    cells = cells_from_borders(probability)
    if isinstance(image, CountedImage):
        return _score_counted(cells, image)
    known = cells_from_borders(thick(image.lines))
    predicted, expert = count_cells(cells, image.area), count_cells(known, image.area)
    return ImageScore(
        file=image.file,
        cells=expert.cells,
        f1=match_cells(cells, known, image.area).f1,
        density_error=relative_error(predicted.density, expert.density),
        cv_error=relative_error(predicted.cv, expert.cv),
        hexagonality_error=relative_error(predicted.hexagonality, expert.hexagonality),
        border_f1=border_f1(thin(probability >= THRESHOLD), image),
    )


def border_f1(predicted: np.ndarray, image: AnnotatedImage) -> float:
    """Return the F1 of predicted lines, bool (H, W), within two pixels of the expert's.

    In the annotated area, precision is the share of predicted line pixels that have a line of the
    expert's so near, recall the share of the expert's that have a predicted one; 0
    without a line on one side.
    """
    found, known = predicted & image.area, image.lines & image.area
    if not (found.any() and known.any()):
        return 0.0
    precision, recall = (
        float((ndimage.distance_transform_edt(~other)[lines] <= TOLERANCE).mean())
        for lines, other in ((found, image.lines), (known, predicted))
    )
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def relative_error(value: float | None, reference: float | None) -> float | None:
    """Return the relative error; None where either is unknown or the reference is 0."""
    return value / reference - 1 if value is not None and reference else None


def _score_counted(cells: np.ndarray, image: CountedImage) -> ImageScore:
    region = image.inner_region
    enough = region.sum() >= FEWEST_CELLS * image.cell_area
    return ImageScore(
        file=image.file,
        cells=len(image.centres),
        f1=match_centres(cells, image.places, image.hull).f1,
        density_error=relative_error(density_within(cells, region), 1 / image.cell_area)
        if enough
        else None,
    )
