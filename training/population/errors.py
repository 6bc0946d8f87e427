"""How far the measures are from the annotation of images that the reader has not seen.

`python -m benchmarks.population ../shared/data` measures them; docs/your-microscope.md has the table.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class MeasureError:
    """The error of one measure.

    Attributes:
        words: what is measured, for a person.
        option: that gives the value instead.
        largest: largest error of a set of images, relative for the area; None: no set has known values.
        asked: it is too large: the value is asked for.
    """

    words: str
    option: str
    largest: float | None
    asked: bool = False


ERRORS = {
    "cell_area": MeasureError("the mean area of a cell", "--cell-area", 0.03),
    "cv": MeasureError("the coefficient of variation of the cells' areas", "--cv", 0.03),
    "hexagonality": MeasureError("the share of cells with six neighbours", "--hexagonality", 0.05),
    "guttae": MeasureError("the share of images with guttae", "--guttae", None),
}
