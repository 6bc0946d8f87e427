"""The instruments that a generator has learned from: which one took an image is drawn for each image."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from endotwin.mosaic.drawing import cell_area_of
from endotwin.mosaic.parameters import ClarityPopulation, ImagePopulation

MIN_SPACING, MAX_SPACING = 13.0, 60.0
"""Least and greatest distance between the centres of neighbouring cells that is drawn, in pixels."""


class Instrument(BaseModel):
    """One source of training images.

    Attributes:
        name: of the source.
        share: of the images, relative to the other instruments.
        interlaced: whether it shows the two fields of interlaced video as a ripple from row to row.
        spacing_median: median distance between the centres of neighbouring cells, in pixels.
        spacing_log_sd: standard deviation of the natural logarithm of that distance over images.
        clarity: of its images.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    share: float = Field(gt=0)
    interlaced: bool = True
    spacing_median: float = Field(default=24.0, ge=MIN_SPACING, le=MAX_SPACING)
    spacing_log_sd: float = Field(default=0.2, ge=0.0, le=1.0)
    clarity: ClarityPopulation = ClarityPopulation()

    def cells(self, usual: ImagePopulation) -> ImagePopulation:
        """Return a population of cells with the sizes that they have in this instrument's images."""
        area, log_sd = cell_area_of(self.spacing_median), 2.0 * self.spacing_log_sd
        return usual.model_copy(update={"area_median": area, "area_log_sd": log_sd})


def choose(instruments: Sequence[Instrument], numbers: Tensor) -> Tensor:
    """Choose an instrument for each image, as often as its share says.

    Args:
        instruments: any number; the choice among none is 0.
        numbers: (B,) standard normal.

    Returns:
        int64 (B,), index of the instrument.
    """
    shares = torch.tensor([instrument.share for instrument in instruments], dtype=torch.float64)
    bounds = (shares.cumsum(0) / shares.sum())[:-1].to(numbers.device)
    return torch.bucketize(torch.special.ndtr(numbers.double()), bounds)


def number_of(instruments: Sequence[Instrument], chosen: int) -> float:
    """Return a number for which `choose` chooses an instrument: the middle one."""
    shares = torch.tensor([instrument.share for instrument in instruments], dtype=torch.float64)
    middle = (shares[:chosen].sum() + 0.5 * shares[chosen]) / shares.sum()
    return float(torch.special.ndtri(middle))


def one_hot(instruments: Sequence[Instrument], chosen: Tensor) -> Tensor:
    """Return the choice as the style network takes it: float32 (B, number of instruments)."""
    return F.one_hot(chosen, len(instruments)).float()


def per_image(values: Sequence[float], chosen: Tensor) -> Tensor:
    """Return the value of each image's instrument: float32 (B,)."""
    return torch.tensor(values, dtype=torch.float32, device=chosen.device)[chosen]
