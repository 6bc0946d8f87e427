"""What may be asked of a mosaic, and how the parameters of one image are drawn from it.

Every parameter can be fixed, drawn from a range, or left open. An open one comes from the donor's age if
that is given, else from the distribution of the images that the model was trained on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from endotwin.field_size import LARGEST_SIDE, STANDARD, FieldSize
from endotwin.generator.latents import to_uniform
from endotwin.image_range import IMAGE_SIZE
from endotwin.mosaic.age import norms_at
from endotwin.mosaic.calibration import UnreachableError, reachable_hexagonality

DENSITY = (500.0, 4500.0)  # cells per mm²
CV = (0.15, 0.60)  # of the cells' areas
HEXAGONALITY = (0.25, 0.85)  # share of cells
GUTTAE = (0.0, 0.4)  # share of the image
AGE = (5.0, 105.0)  # years
CLARITY = (2.0, 40.0)  # grey levels
PIXEL_SIZE = (0.3, 3.0)  # micrometres
APPEARANCE = (0, 999)  # of the looks of one mosaic

CONDITION_LIMITS: dict[str, tuple[float, float]] = {
    "density": DENSITY,
    "cv": CV,
    "hexagonality": HEXAGONALITY,
    "guttae": GUTTAE,
    "age": AGE,
    "clarity": CLARITY,
    "pixel_size": PIXEL_SIZE,
    "appearance": APPEARANCE,
}
"""Least and greatest value of every condition."""

DEFAULT_PIXEL_SIZE = 0.9
"""Micrometres per pixel, unless one is given. The training images come without a pixel size; with
this one they have 740 to 4,570 cells per mm² (270 to 1,670 pixels per cell), as human corneas do."""

CELL_AREAS = (200.0, 3200.0)
"""Mean areas of a cell, in square pixels, that can be drawn and rendered."""

PARAMETER_NUMBERS = 6
"""Standard normal numbers per image: density, cv, hexagonality, guttae, age, clarity."""

CLARITY_NUMBER = 5
"""Which of them is that of the clarity."""

_SAFE_CV = (0.16, 0.60)
_SAFE_HEXAGONALITY = (0.30, 0.85)
"""Open parameters are clipped to these."""


def _span(limits: tuple[float, float]) -> str:
    return f"{limits[0]:g} to {limits[1]:g}"


class Range(BaseModel):
    """An interval to draw from uniformly; a fixed value has equal ends."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    low: float
    high: float

    def at(self, share: float) -> float:
        """Return the value at a share (0..1) of the way from the lower end to the upper one."""
        return self.low + share * (self.high - self.low)

    def __str__(self) -> str:
        """Write it as it is given: `1500:2500`, or `2000`."""
        low, high = (np.format_float_positional(end, trim="-") for end in (self.low, self.high))
        return low if low == high else f"{low}:{high}"


class Conditions(BaseModel):
    """Values or ranges that every image of a request keeps to; None leaves a parameter open.

    What no mosaic can have raises pydantic's ValidationError, with a sentence that says what is allowed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    density: Range | None = Field(default=None, description=f"cells per mm², {_span(DENSITY)}")
    cv: Range | None = Field(
        default=None, description=f"coefficient of variation of the cells' areas, {_span(CV)}"
    )
    hexagonality: Range | None = Field(
        default=None, description=f"share of cells with six neighbours, {_span(HEXAGONALITY)}"
    )
    guttae: Range | None = Field(
        default=None, description=f"share of the image under guttae, {_span(GUTTAE)}"
    )
    age: Range | None = Field(
        default=None, description=f"years, {_span(AGE)}: what is left open follows published norms"
    )
    clarity: Range | None = Field(
        default=None,
        description=f"grey levels by which borders are darker than the inside of cells, {_span(CLARITY)}",
    )
    pixel_size: float = Field(
        default=DEFAULT_PIXEL_SIZE, description=f"side of a pixel in micrometres, {_span(PIXEL_SIZE)}"
    )
    appearance: int = Field(
        default=0,
        ge=APPEARANCE[0],
        le=APPEARANCE[1],
        description="which look of a mosaic: its light, grain, clarity and instrument, not its labels; "
        f"{_span(APPEARANCE)}",
    )
    expert_hand: bool = Field(
        default=False,
        description="to train a segmenter on: borders of labels displaced as by an expert's hand; where "
        "nothing else is asked, no guttae, regular mosaics in every other image, and large and small cells",
    )

    size: FieldSize = Field(
        default=STANDARD,
        description=f"width and height in pixels, {IMAGE_SIZE} to {LARGEST_SIDE} each, such as 640x480",
    )

    @property
    def given(self) -> dict[str, Range | FieldSize | float]:
        """What was asked for, by name: a default is as good as none, but that of the pixel size."""
        return {
            name: value
            for name, field in type(self).model_fields.items()
            if name in self.model_fields_set
            and ((value := getattr(self, name)) != field.default or name == "pixel_size")
        }

    @model_validator(mode="after")
    def _check(self) -> Conditions:
        for name, limits in CONDITION_LIMITS.items():
            asked = getattr(self, name)
            if isinstance(asked, Range):
                _check_range(name, asked, limits)
        if not (PIXEL_SIZE[0] <= self.pixel_size <= PIXEL_SIZE[1]):
            raise ValueError(
                f"pixel_size must be from {_span(PIXEL_SIZE)} micrometres, got {self.pixel_size:g}"
            )
        self._check_scale()
        self._check_combination()
        return self

    def _check_scale(self) -> None:
        """Refuse a density whose cells would be too small or too large to draw at this pixel size."""
        low, high = densities_at(self.pixel_size)
        asked = self.density
        if asked is not None and not (low <= asked.low and asked.high <= high):
            raise ValueError(
                f"density {asked} cannot be drawn at {self.pixel_size:g} micrometres per pixel: with this "
                f"pixel_size it can be from {math.ceil(low)} to {math.floor(high)} cells per mm²"
            )

    def _check_combination(self) -> None:
        """Refuse ranges of cv and hexagonality that hold a combination which no mosaic has."""
        if self.cv is not None and self.hexagonality is not None:
            for cv in np.linspace(self.cv.low, self.cv.high, 9):
                low, high = reachable_hexagonality(float(cv))
                if not (low <= self.hexagonality.low and self.hexagonality.high <= high):
                    raise UnreachableError(
                        f"hexagonality {self.hexagonality} and cv {self.cv} cannot be had together: with "
                        f"cv {cv:.2f} hexagonality can be from {low:.2f} to {high:.2f}"
                    )
        elif self.hexagonality is not None:
            for value in (self.hexagonality.low, self.hexagonality.high):
                if reachable_cv(value) is None:
                    raise UnreachableError(
                        f"no mosaic has hexagonality {value:g}; the least is "
                        f"{min(reachable_hexagonality(cv)[0] for cv in _CV_STEPS):.2f}"
                    )


_CV_STEPS = tuple(np.linspace(*CV, 46).round(3).tolist())


class ClarityPopulation(BaseModel):
    """The clarity of an instrument's images, from which an open clarity is drawn, whatever the cells are.

    Attributes:
        median: over images, in grey levels.
        log_sd: standard deviation of its natural logarithm.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    median: float = Field(default=15.5, ge=CLARITY[0], le=CLARITY[1])
    log_sd: float = Field(default=0.35, ge=0)


class ImagePopulation(BaseModel):
    """The cells of the images that a model was trained on, from which open parameters are drawn.

    Attributes:
        area_median: median over images of the mean cell area, in square pixels.
        area_log_sd: standard deviation of its natural logarithm.
        cv_mean: mean over images of the coefficient of variation of the cells' areas.
        cv_sd: its standard deviation.
        hexagonality_mean: mean over images of the share of hexagons.
        hexagonality_sd: its standard deviation, without what counting few cells adds.
        guttae_share: share of the images that have guttae.
        guttae_largest: the largest share of an image under guttae.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    area_median: float = Field(default=612.0, gt=0)
    area_log_sd: float = Field(default=0.43, ge=0)
    cv_mean: float = Field(default=0.29, gt=0)
    cv_sd: float = Field(default=0.06, ge=0)
    hexagonality_mean: float = Field(default=0.556, gt=0)
    hexagonality_sd: float = Field(default=0.09, ge=0)
    guttae_share: float = Field(default=0.12, ge=0, le=1)
    guttae_largest: float = Field(default=0.2, ge=0, le=GUTTAE[1])


@dataclass(frozen=True)
class Parameters:
    """The parameters of one image.

    Attributes:
        density: cells per mm².
        cv: coefficient of variation of the cells' areas.
        hexagonality: share of cells with six neighbours.
        guttae: share of the image under guttae.
        age: years, or None if no age was asked for.
        pixel_size: micrometres.
        clarity: grey levels by which borders are darker than the inside of cells; None for a model that
            does not set it.
    """

    density: float
    cv: float
    hexagonality: float
    guttae: float
    age: float | None
    pixel_size: float
    clarity: float | None

    @property
    def cell_area(self) -> float:
        """Mean area of a cell in square pixels."""
        return 1e6 / (self.density * self.pixel_size**2)


def densities_at(pixel_size: float) -> tuple[float, float]:
    """Return the least and greatest density that can be drawn at a pixel size, in cells per mm²."""
    smallest, largest = CELL_AREAS
    return max(DENSITY[0], 1e6 / (largest * pixel_size**2)), min(
        DENSITY[1], 1e6 / (smallest * pixel_size**2)
    )


def reachable_cv(hexagonality: float) -> tuple[float, float] | None:
    """Return the least and greatest cv that mosaics of a hexagonality have, or None if none has it."""
    fitting = [cv for cv in _CV_STEPS if _within(hexagonality, reachable_hexagonality(cv))]
    return (fitting[0], fitting[-1]) if fitting else None


def draw_parameters(
    numbers: np.ndarray,
    conditions: Conditions,
    population: ImagePopulation,
    clarity: ClarityPopulation | None,
) -> Parameters:
    """Draw the parameters of one image.

    Args:
        numbers: (6,) standard normal; each parameter has its own, whatever else is asked for.
        conditions: what the caller asked for.
        population: where the rest comes from.
        clarity: where an open clarity comes from; None for a model that does not set it.
    """
    density_z, cv_z, hexagonality_z, guttae_z, age_z, clarity_z = (float(number) for number in numbers)
    age = None if conditions.age is None else conditions.age.at(to_uniform(age_z))
    cv, hexagonality = _draw_form(cv_z, hexagonality_z, age, conditions, population)
    return Parameters(
        density=_draw_density(density_z, age, conditions, population),
        cv=cv,
        hexagonality=hexagonality,
        guttae=_draw_guttae(guttae_z, age, conditions, population),
        age=age,
        pixel_size=conditions.pixel_size,
        clarity=_draw_clarity(clarity_z, conditions, clarity),
    )


def _draw_clarity(number: float, conditions: Conditions, usual: ClarityPopulation | None) -> float | None:
    """Draw the clarity: from nothing that the cells are drawn from, so that haze says nothing of them."""
    if usual is None:
        return None
    if conditions.clarity is not None:
        return conditions.clarity.at(to_uniform(number))
    return _clip(usual.median * math.exp(usual.log_sd * number), *CLARITY)


def _draw_density(
    number: float, age: float | None, conditions: Conditions, population: ImagePopulation
) -> float:
    if conditions.density is not None:
        return conditions.density.at(to_uniform(number))
    if age is not None:
        norms = norms_at(age)
        wanted = norms.density * math.exp(norms.density_log_sd * number)
        return _clip(wanted, *densities_at(conditions.pixel_size))
    area = population.area_median * math.exp(-population.area_log_sd * number)
    return 1e6 / (_clip(area, *CELL_AREAS) * conditions.pixel_size**2)


def _draw_form(
    cv_number: float,
    hexagonality_number: float,
    age: float | None,
    conditions: Conditions,
    population: ImagePopulation,
) -> tuple[float, float]:
    """Draw cv and hexagonality; an open one is kept within reach of the one that was asked for."""
    if age is None:
        usual_cv = population.cv_mean + population.cv_sd * cv_number
        usual_hexagonality = population.hexagonality_mean + population.hexagonality_sd * hexagonality_number
    else:
        norms = norms_at(age)
        usual_cv = norms.cv + norms.cv_sd * cv_number
        usual_hexagonality = norms.hexagonality + norms.hexagonality_sd * hexagonality_number
    if conditions.hexagonality is not None:
        hexagonality = conditions.hexagonality.at(to_uniform(hexagonality_number))
        if conditions.cv is not None:
            return conditions.cv.at(to_uniform(cv_number)), hexagonality
        return _clip(usual_cv, *(reachable_cv(hexagonality) or CV)), hexagonality
    cv = _clip(usual_cv, *_SAFE_CV) if conditions.cv is None else conditions.cv.at(to_uniform(cv_number))
    least, greatest = reachable_hexagonality(cv)
    low, high = max(least, _SAFE_HEXAGONALITY[0]), min(greatest, _SAFE_HEXAGONALITY[1])
    return cv, _clip(usual_hexagonality, low, high)


def _draw_guttae(
    number: float, age: float | None, conditions: Conditions, population: ImagePopulation
) -> float:
    if conditions.guttae is not None:
        return conditions.guttae.at(to_uniform(number))
    if age is not None or population.guttae_share == 0.0:  # the norms are of healthy corneas
        return 0.0
    beyond = 1.0 - (1.0 - to_uniform(number)) / population.guttae_share
    return population.guttae_largest * max(0.0, beyond)


def _check_range(name: str, asked: Range, limits: tuple[float, float]) -> None:
    low, high = limits
    if asked.low > asked.high:
        raise ValueError(
            f"{name} {asked} has its ends in the wrong order: LOW:HIGH, so {name} "
            f"{Range(low=asked.high, high=asked.low)}"
        )
    if not (
        math.isfinite(asked.low) and math.isfinite(asked.high) and low <= asked.low and asked.high <= high
    ):
        raise ValueError(f"{name} must be a number or a range LOW:HIGH within {_span(limits)}, got {asked}")


def _within(value: float, limits: tuple[float, float]) -> bool:
    return limits[0] <= value <= limits[1]


def _clip(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)
