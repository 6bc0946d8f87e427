"""From the cells of single images to the population that a model's mosaics are drawn from."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

FEWEST_CELLS = 100
"""With fewer clear cells in all, nothing is said about how irregular they are."""

_FEWEST_OF_AN_IMAGE = 12
_LEAST_SEEN = 0.2


class ImageMeasures(BaseModel):
    """What was read in one image; lengths in its own pixels."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: str = Field(description="its name, a digest")
    width: int
    height: int
    seen: float = Field(description="share of the image in which cells were read")
    cells: int = Field(description="cells read")
    area: float | None = Field(description="mean area of a cell")
    cv: float | None = Field(description="coefficient of variation of the areas")
    hexagonality: float | None = Field(description="share of cells with six neighbours")
    stretch: float | None = Field(description="width of the cells over their height")
    clarity: float | None = Field(description="grey levels, docs/mosaic.md")
    guttae: float = Field(description="share of the image in dark spots larger than cells' borders")
    ripple: float = Field(description="strength of row-to-row ripple over that of columns")


class Population(BaseModel):
    """What the images of a folder have in common; lengths in pixels of the images as they are."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    images: int
    readable: int = Field(description="images in which enough cells were read to measure them")
    cells: int
    seen: float
    area: float | None = Field(description="median over images of the mean area of a cell")
    area_log_sd: float
    cv: float | None
    cv_sd: float
    hexagonality: float | None
    hexagonality_sd: float
    stretch: float | None
    clarity: float | None = Field(description="median over images")
    clarity_log_sd: float
    guttae_share: float = Field(description="share of the images with guttae")
    guttae_largest: float = Field(description="largest share of an image under guttae")
    interlaced: bool


def summarise(images: Sequence[ImageMeasures]) -> Population:
    """Pool the images of one folder, at least one; each image counts by the cells read in it."""
    good = [image for image in images if image.seen >= _LEAST_SEEN and image.cells >= _FEWEST_OF_AN_IMAGE]
    cells = sum(image.cells for image in good)
    weights = np.array([image.cells for image in good], dtype=np.float64)
    areas = np.array([image.area for image in good], dtype=np.float64)
    enough = cells >= FEWEST_CELLS
    cv = [image.cv for image in good]
    hexagons = [image.hexagonality for image in good]
    clarity = np.array([i.clarity for i in good if i.clarity is not None and i.clarity > 1.0])
    with_guttae = [image.guttae for image in images if image.guttae > 0.0]
    return Population(
        images=len(images),
        readable=len(good),
        cells=cells,
        seen=float(np.mean([image.seen for image in images])),
        area=float(np.median(areas)) if good else None,
        area_log_sd=_spread(np.log(areas)) if good else 0.0,
        cv=_mean(cv, weights) if enough else None,
        cv_sd=_spread_of(cv, [_cv_noise(i.cv, i.cells) for i in good]) if enough else 0.0,
        hexagonality=_mean(hexagons, weights) if enough else None,
        hexagonality_sd=_spread_of(hexagons, [_share_noise(i.hexagonality, i.cells) for i in good])
        if enough
        else 0.0,
        stretch=_mean([image.stretch for image in good], weights) if enough else None,
        clarity=float(np.median(clarity)) if len(clarity) else None,
        clarity_log_sd=_spread(np.log(clarity)) if len(clarity) else 0.0,
        guttae_share=len(with_guttae) / len(images),
        guttae_largest=max(with_guttae, default=0.0),
        interlaced=float(np.median([image.ripple for image in images])) > 2.0,
    )


def _mean(values: Sequence[float | None], weights: np.ndarray) -> float | None:
    known = np.array([value is not None for value in values])
    if not known.any():
        return None
    numbers = np.array([value for value in values if value is not None])
    return float(np.average(numbers, weights=weights[known]))


def _spread(values: np.ndarray) -> float:
    """Return the standard deviation of a normal distribution with the quartiles of the values."""
    if len(values) < 2:
        return 0.0
    low, high = np.percentile(values, (25, 75))
    return float(high - low) / 1.349


def _spread_of(values: Sequence[float | None], noise: Sequence[float | None]) -> float:
    """Return the spread over images, without what counting few cells adds to it."""
    pairs = [(v, n) for v, n in zip(values, noise, strict=True) if v is not None and n is not None]
    if len(pairs) < 3:
        return 0.0
    numbers, noises = (np.array(part) for part in zip(*pairs, strict=True))
    return math.sqrt(max(0.0, _spread(numbers) ** 2 - float((noises**2).mean())))


def _cv_noise(cv: float | None, cells: int) -> float | None:
    """Return the standard error of a coefficient of variation of `cells` normal values."""
    return None if cv is None else cv * math.sqrt((0.5 + cv**2) / cells)


def _share_noise(share: float | None, cells: int) -> float | None:
    return None if share is None else math.sqrt(share * (1.0 - share) / cells)
