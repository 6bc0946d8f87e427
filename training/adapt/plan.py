"""The population that an adapted model draws from, by what was measured and what was given."""

from __future__ import annotations

import math
from dataclasses import dataclass

from endotwin.generator.card import MeasuredValue
from endotwin.generator.instruments import MAX_SPACING, MIN_SPACING, Instrument
from endotwin.generator.labelled import LabelledArchitecture
from endotwin.mosaic.calibration import reachable_hexagonality
from endotwin.mosaic.drawing import spacing_of
from endotwin.mosaic.parameters import (
    CELL_AREAS,
    CLARITY,
    CV,
    PIXEL_SIZE,
    ClarityPopulation,
    ImagePopulation,
)
from training.adapt.request import AdaptError, GivenValues
from training.population.errors import ERRORS
from training.population.population import Population

LIKED_AREAS = (210.0, 3000.0)
"""Mean areas of a cell, square pixels, that nine in ten images should keep to; else all are resized."""

_NINE_TENTHS = 1.28
_SMALL_CHANGE = 0.15
"""Images are not resized for less: masks drawn on them would not fit any more."""

SCALES = (0.1, 4.0)

_LEAST_SEEN = 0.25
_LARGEST_AREA_SD, _LARGEST_CV_SD, _LARGEST_HEXAGONALITY_SD = 0.5, 0.1, 0.12


@dataclass(frozen=True)
class Plan:
    """What is drawn, and how the images are resized before training.

    Attributes:
        values: area, cv, hexagonality, guttae, clarity and stretch, each with its error and origin; the
            area is in pixels of the images as they are.
        scale: factor by which the images are resized.
        population: of the resized images.
        clarity: of the images.
        spacing: median distance of the centres of neighbouring cells of the resized images, pixels.
        interlaced: whether the images show the two fields of interlaced video.
        pixel_size: micrometres per pixel of the resized images; None if it was not given.
    """

    values: dict[str, MeasuredValue]
    scale: float
    population: ImagePopulation
    clarity: ClarityPopulation
    spacing: float
    interlaced: bool
    pixel_size: float | None

    def architecture(self, start: LabelledArchitecture, name: str) -> LabelledArchitecture:
        """Return the architecture of the adapted model: one instrument, and its own population."""
        instrument = Instrument(
            name=name,
            share=1.0,
            interlaced=self.interlaced,
            spacing_median=min(max(self.spacing, MIN_SPACING), MAX_SPACING),
            spacing_log_sd=min(self.population.area_log_sd / 2.0, 1.0),
            clarity=self.clarity,
        )
        return start.model_copy(update={"population": self.population, "instruments": (instrument,)})


def make_plan(found: Population, given: GivenValues) -> Plan:
    """Choose what to draw.

    Raises:
        AdaptError: a value can neither be measured nor was given, or one that was given cannot be drawn;
            the message names the option.
    """
    values = {
        "area": _value(
            "cell_area", found.area if found.seen >= _LEAST_SEEN else None, given.cell_area, found
        ),
        "cv": _value("cv", found.cv, given.cv, found),
        "hexagonality": _value("hexagonality", found.hexagonality, given.hexagonality, found),
        "guttae": _value("guttae", found.guttae_share, given.guttae, found),
        "clarity": _clarity(found),
    }
    if found.stretch is not None:
        values["stretch"] = MeasuredValue(value=round(found.stretch, 3), origin="measured")
    area, cv = values["area"].value, values["cv"].value
    scale = _scale(area, found.area_log_sd, given.scale)
    drawn = area * scale**2
    if not CELL_AREAS[0] <= drawn <= CELL_AREAS[1]:
        raise AdaptError(
            f"cells of {drawn:.0f} square pixels at scale {scale:g} cannot be drawn: {CELL_AREAS[0]:.0f} "
            f"to {CELL_AREAS[1]:.0f} can; with --scale {math.sqrt(600.0 / area):.2f} they have 600"
        )
    if given.cv is not None and not CV[0] <= given.cv <= CV[1]:
        raise AdaptError(f"--cv: from {CV[0]:g} to {CV[1]:g}, got {given.cv:g}")
    low, high = reachable_hexagonality(min(max(cv, CV[0]), CV[1]))
    if given.hexagonality is not None and not low <= given.hexagonality <= high:
        raise AdaptError(
            f"--hexagonality: with a cv of {cv:.2f} from {low:.2f} to {high:.2f}, "
            f"got {given.hexagonality:g}"
        )
    pixel_size = None if given.pixel_size is None else given.pixel_size / scale
    if pixel_size is not None and not PIXEL_SIZE[0] <= pixel_size <= PIXEL_SIZE[1]:
        raise AdaptError(
            f"--pixel-size: from {PIXEL_SIZE[0] * scale:g} to {PIXEL_SIZE[1] * scale:g} micrometres, "
            f"got {given.pixel_size:g}"
        )
    guttae = values["guttae"].value
    return Plan(
        values=values,
        scale=scale,
        population=ImagePopulation(
            area_median=drawn,
            area_log_sd=min(found.area_log_sd, _LARGEST_AREA_SD),
            cv_mean=min(max(cv, CV[0]), CV[1]),
            cv_sd=min(found.cv_sd, _LARGEST_CV_SD),
            hexagonality_mean=min(max(values["hexagonality"].value, low), high),
            hexagonality_sd=min(found.hexagonality_sd, _LARGEST_HEXAGONALITY_SD),
            guttae_share=guttae,
            guttae_largest=min(max(found.guttae_largest, 0.05), 0.4) if guttae else 0.0,
        ),
        clarity=ClarityPopulation(
            median=min(max(values["clarity"].value, CLARITY[0]), CLARITY[1]),
            log_sd=min(max(found.clarity_log_sd, 0.1), 0.6),
        ),
        spacing=spacing_of(drawn),
        interlaced=found.interlaced and scale == 1.0,
        pixel_size=pixel_size,
    )


def _value(name: str, measured: float | None, given: float | None, found: Population) -> MeasuredValue:
    if given is not None:
        return MeasuredValue(value=given, origin="given")
    error = ERRORS[name]
    if measured is None or error.asked:
        why = (
            f"measured without annotation, it is off by up to {error.largest:g}"
            if measured is not None
            else f"cells were read in {found.seen:.0%} of the images only ({found.cells} cells in "
            f"{found.readable} images)"
        )
        raise AdaptError(f"{error.words} has to be given with {error.option}: {why}")
    return MeasuredValue(value=round(measured, 4), error=error.largest, origin="measured")


def _clarity(found: Population) -> MeasuredValue:
    """Return the clarity, or the usual one where no border is clear enough: nothing else depends on it."""
    if found.clarity is None:
        return MeasuredValue(value=ClarityPopulation().median, origin="not measured")
    return MeasuredValue(value=round(found.clarity, 2), origin="measured")


def _scale(area: float, log_sd: float, given: float | None) -> float:
    if given is not None:
        if not SCALES[0] <= given <= SCALES[1]:
            raise AdaptError(f"--scale: from {SCALES[0]:g} to {SCALES[1]:g}, got {given:g}")
        return given
    spread = math.exp(_NINE_TENTHS * min(log_sd, _LARGEST_AREA_SD))
    smallest, largest = LIKED_AREAS
    if area * spread > largest:
        scale = math.sqrt(largest / (area * spread))
    else:
        scale = math.sqrt(max(1.0, smallest / (area / spread)))
    return 1.0 if abs(scale - 1.0) < _SMALL_CHANGE else round(scale, 3)
