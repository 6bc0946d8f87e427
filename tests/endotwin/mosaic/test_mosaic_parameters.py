"""What may be asked for, what is refused and how, and what is drawn."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from mosaic_draws import CLARITY_POPULATION, POPULATION, fixed
from pydantic import ValidationError

from endotwin.generator.latents import draw_normals
from endotwin.image_range import ImageRange
from endotwin.mosaic.age import norms_at
from endotwin.mosaic.calibration import UnreachableError, reachable_hexagonality, shape_for
from endotwin.mosaic.parameters import (
    AGE,
    CELL_AREAS,
    CLARITY,
    CV,
    DENSITY,
    GUTTAE,
    HEXAGONALITY,
    PARAMETER_NUMBERS,
    PIXEL_SIZE,
    Conditions,
    ImagePopulation,
    Parameters,
    Range,
    densities_at,
    draw_parameters,
    reachable_cv,
)

NAMES = ("density", "cv", "hexagonality", "guttae", "age", "clarity")
LIMITS = dict(zip(NAMES, (DENSITY, CV, HEXAGONALITY, GUTTAE, AGE, CLARITY), strict=True))
NARROW = {
    "density": (1000, 3000),
    "cv": (0.2, 0.3),
    "hexagonality": (0.4, 0.8),
    "guttae": (0.0, 0.4),
    "age": (5, 105),
    "clarity": (5, 30),
}
"""Ranges every combination of which can be had."""


def draw(numbers: np.ndarray, conditions: Conditions) -> Parameters:
    return draw_parameters(numbers, conditions, POPULATION, CLARITY_POPULATION)


def draw_many(seed: int, count: int, conditions: Conditions) -> list[Parameters]:
    return [draw(row, conditions) for row in draw_normals(ImageRange(seed, 0, count), PARAMETER_NUMBERS)]


def refusal(**conditions: object) -> str:
    with pytest.raises(ValidationError) as error:
        Conditions.model_validate(conditions)
    (only,) = error.value.errors()
    return only["msg"].removeprefix("Value error, ")


# What is refused


@pytest.mark.parametrize("name", NAMES)
def test_values_beyond_the_limits_are_refused_with_the_limits(name: str) -> None:
    low, high = LIMITS[name]
    allowed = f"{name} must be a number or a range LOW:HIGH within {low:g} to {high:g}, got "
    step = (high - low) / 100
    assert refusal(**{name: fixed(low - step)}) == allowed + str(fixed(low - step))
    beyond = Range(low=low, high=high + step)
    assert refusal(**{name: beyond}) == allowed + str(beyond)
    assert refusal(**{name: Range(low=high, high=low)}) == (
        f"{name} {high:g}:{low:g} has its ends in the wrong order: LOW:HIGH, so {name} {low:g}:{high:g}"
    )
    assert refusal(**{name: Range(low=low, high=math.nan)}).startswith(allowed)


@pytest.mark.parametrize("size", [0.29, 3.1, -1.0, math.nan, math.inf])
def test_impossible_pixel_sizes_are_refused(size: float) -> None:
    expected = f"pixel_size must be from 0.3 to 3 micrometres, got {size:g}"
    assert refusal(pixel_size=size) == expected


def test_unknown_parameters_are_refused() -> None:
    with pytest.raises(ValidationError, match="polymegathism"):
        Conditions.model_validate({"polymegathism": {"low": 0.2, "high": 0.3}})


def test_a_density_too_small_or_large_for_the_pixels_is_refused() -> None:
    assert refusal(density=fixed(2500), pixel_size=2.0) == (
        "density 2500 cannot be drawn at 2 micrometres per pixel: with this pixel_size it can be from 500 "
        "to 1250 cells per mm²"
    )
    assert "from 3473 to 4500 cells" in refusal(density=fixed(2500), pixel_size=0.3)
    Conditions(density=Range(low=500, high=1250), pixel_size=2.0)


@given(size=st.floats(*PIXEL_SIZE))
@example(size=PIXEL_SIZE[0])
@example(size=PIXEL_SIZE[1])
def test_every_pixel_size_has_densities(size: float) -> None:
    low, high = densities_at(size)
    assert DENSITY[0] <= low < high <= DENSITY[1]
    for density in (low, high):
        area = 1e6 / (density * size**2)
        assert CELL_AREAS[0] * (1 - 1e-9) <= area <= CELL_AREAS[1] * (1 + 1e-9)
    Conditions(density=Range(low=math.ceil(low), high=math.floor(high)), pixel_size=size)


def test_a_hexagonality_that_no_mosaic_has_is_refused_with_the_least() -> None:
    least = min(reachable_hexagonality(cv)[0] for cv in (0.4, 0.5, 0.6))
    assert 0.26 < least <= 0.30  # mosaics of cells placed wholly at random have 0.29
    assert refusal(hexagonality=fixed(0.25)) == f"no mosaic has hexagonality 0.25; the least is {least:.2f}"
    Conditions(hexagonality=fixed(least))


def test_a_contradictory_combination_is_refused_with_what_is_reachable() -> None:
    low, high = reachable_hexagonality(0.6)
    message = refusal(cv=fixed(0.6), hexagonality=fixed(0.85))
    assert message == (
        "hexagonality 0.85 and cv 0.6 cannot be had together: with cv 0.60 hexagonality can be from "
        f"{low:.2f} to {high:.2f}"
    )
    Conditions(cv=fixed(0.6), hexagonality=Range(low=low, high=high))
    # Of a range, the first value that does not go with it is named.
    assert re.search(r"with cv 0\.[56]\d", refusal(cv=Range(low=0.2, high=0.6), hexagonality=fixed(0.85)))


# What is reachable


@given(cv=st.floats(*CV))
@example(cv=CV[0])
@example(cv=CV[1])
def test_what_is_named_reachable_can_be_had(cv: float) -> None:
    low, high = reachable_hexagonality(cv)
    assert low < 0.40
    assert high > 0.60
    Conditions(cv=fixed(cv), hexagonality=Range(low=low, high=min(high, HEXAGONALITY[1])))
    for share in (0.0, 0.3, 1.0):
        shape_for(500.0, cv, low + share * (high - low))
    with pytest.raises(UnreachableError, match=rf"hexagonality can be from {low:.2f} to {high:.2f}"):
        shape_for(500.0, cv, low - 0.02)


def test_a_cv_that_no_mosaic_has_is_refused() -> None:
    with pytest.raises(UnreachableError, match=r"no mosaic has cv 0.9: it can be from 0\.0\d to 0\.6\d"):
        shape_for(500.0, 0.9, 0.5)


def test_which_cv_goes_with_a_hexagonality() -> None:
    assert reachable_cv(0.5) == CV
    low, high = reachable_cv(0.85) or (0.0, 0.0)
    assert low == CV[0]
    assert 0.40 < high < 0.60
    assert reachable_cv(0.2) is None
    for cv in (low, high):
        least, greatest = reachable_hexagonality(cv)
        assert least <= 0.85 <= greatest


def test_shapes_follow_what_is_asked() -> None:
    assert shape_for(800.0, 0.3, 0.6).cell_area == pytest.approx(2 * shape_for(400.0, 0.3, 0.6).cell_area)
    jitters = [shape_for(400.0, 0.3, hexagonality).jitter for hexagonality in (0.8, 0.7, 0.6, 0.5, 0.4)]
    assert jitters == sorted(jitters)
    spreads = [shape_for(400.0, cv, 0.6).spread for cv in (0.15, 0.25, 0.35, 0.45, 0.55)]
    assert spreads == sorted(spreads)


# What is drawn


def ranges(name: str) -> st.SearchStrategy[Range | None]:
    ends = st.tuples(st.floats(*LIMITS[name]), st.floats(*LIMITS[name]))
    return (
        st.none() | st.floats(*LIMITS[name]).map(fixed) | ends.map(lambda e: Range(low=min(e), high=max(e)))
    )


@given(
    asked=st.fixed_dictionaries({name: ranges(name) for name in NAMES}),
    pixel_size=st.floats(*PIXEL_SIZE),
    numbers=st.lists(st.floats(-6.4, 6.4), min_size=PARAMETER_NUMBERS, max_size=PARAMETER_NUMBERS),
)
def test_whatever_is_accepted_can_be_drawn(
    asked: dict[str, Range | None], pixel_size: float, numbers: list[float]
) -> None:
    try:
        conditions = Conditions.model_validate({**asked, "pixel_size": pixel_size})
    except ValidationError as error:
        (only,) = error.errors()
        assert "can be from" in only["msg"] or "the least is" in only["msg"]
        return
    drawn = draw(np.array(numbers), conditions)
    for name, wanted in asked.items():
        value = getattr(drawn, name)
        if wanted is not None:
            assert wanted.low * (1 - 1e-9) <= value <= wanted.high * (1 + 1e-9), name
    shape = shape_for(drawn.cell_area, drawn.cv, drawn.hexagonality)
    assert CELL_AREAS[0] * 0.95 < shape.cell_area < CELL_AREAS[1] * 1.05
    assert CV[0] <= drawn.cv <= CV[1]
    assert HEXAGONALITY[0] <= drawn.hexagonality <= HEXAGONALITY[1]
    assert GUTTAE[0] <= drawn.guttae <= GUTTAE[1]
    assert drawn.pixel_size == pixel_size
    assert (drawn.age is None) == (asked["age"] is None)


@pytest.mark.parametrize("name", NAMES)
def test_a_range_is_drawn_from_uniformly(name: str) -> None:
    low, high = NARROW[name]
    drawn = draw_many(1, 800, Conditions.model_validate({name: Range(low=low, high=high)}))
    shares = np.sort([(getattr(parameters, name) - low) / (high - low) for parameters in drawn])
    assert np.abs(shares - np.linspace(0, 1, 800)).max() < 0.05


@pytest.mark.parametrize("name", NAMES)
def test_each_parameter_has_its_own_number(name: str) -> None:
    """Other values of one parameter leave the others of the same image as they were."""
    low, high = NARROW[name]
    asked = Conditions.model_validate({key: Range(low=a, high=b) for key, (a, b) in NARROW.items()})
    rows = draw_normals(ImageRange(2, 0, 50), PARAMETER_NUMBERS)
    changed = rows.copy()
    changed[:, NAMES.index(name)] += 1.0
    for row, other in zip(rows, changed, strict=True):
        one, two = draw(row, asked), draw(other, asked)
        assert low <= getattr(one, name) < getattr(two, name) <= high
        for rest in set(NAMES) - {name}:
            assert getattr(one, rest) == getattr(two, rest)


def test_asking_for_one_parameter_leaves_the_others_as_they_are() -> None:
    free = draw_many(2, 50, Conditions())
    for name, value in (("density", 2000), ("guttae", 0.2), ("cv", 0.29)):
        asked = draw_many(2, 50, Conditions.model_validate({name: fixed(value)}))
        for rest in set(NAMES) - {name, "hexagonality"}:
            assert [getattr(p, rest) for p in asked] == [getattr(p, rest) for p in free]


def test_open_parameters_follow_the_training_images() -> None:
    drawn = draw_many(3, 2000, Conditions())
    areas = np.log([parameters.cell_area for parameters in drawn])
    assert math.exp(np.median(areas)) == pytest.approx(POPULATION.area_median, rel=0.03)
    assert areas.std() == pytest.approx(POPULATION.area_log_sd, rel=0.06)
    assert np.mean([p.cv for p in drawn]) == pytest.approx(POPULATION.cv_mean, rel=0.02)
    assert np.mean([p.hexagonality for p in drawn]) == pytest.approx(POPULATION.hexagonality_mean, rel=0.02)
    guttae = np.array([p.guttae for p in drawn])
    assert (guttae > 0).mean() == pytest.approx(POPULATION.guttae_share, abs=0.02)
    assert guttae.max() == pytest.approx(POPULATION.guttae_largest, rel=0.02)


def test_open_parameters_do_not_depend_on_the_pixel_size() -> None:
    one, other = (draw_many(3, 50, Conditions(pixel_size=size)) for size in (0.5, 1.0))
    for first, second in zip(one, other, strict=True):
        assert first.cell_area == pytest.approx(second.cell_area)
        assert first.density == pytest.approx(4 * second.density)


def test_a_population_without_guttae() -> None:
    population = ImagePopulation(guttae_share=0.0)
    rows = draw_normals(ImageRange(4, 0, 200), PARAMETER_NUMBERS)
    assert not any(
        draw_parameters(row, Conditions(), population, CLARITY_POPULATION).guttae for row in rows
    )


@pytest.mark.parametrize("age", [40.0, 60.0, 85.0])
def test_an_age_brings_its_norms(age: float) -> None:
    drawn = draw_many(5, 1500, Conditions(age=fixed(age)))
    norms = norms_at(age)
    density = np.log([parameters.density for parameters in drawn])
    assert math.exp(np.median(density)) == pytest.approx(norms.density, rel=0.01)
    assert density.std() == pytest.approx(norms.density_log_sd, rel=0.06)
    assert np.mean([p.cv for p in drawn]) == pytest.approx(norms.cv, rel=0.05)
    assert np.mean([p.hexagonality for p in drawn]) == pytest.approx(norms.hexagonality, rel=0.02)
    assert {p.guttae for p in drawn} == {0.0}
    assert {p.age for p in drawn} == {age}


def test_what_is_asked_overrides_the_age() -> None:
    drawn = draw_many(6, 50, Conditions(age=fixed(80), density=fixed(3000), guttae=fixed(0.2)))
    assert {(p.density, p.guttae) for p in drawn} == {(3000.0, 0.2)}


def test_ranges_are_written_as_they_are_given() -> None:
    assert str(Range(low=1500, high=2500)) == "1500:2500"
    assert str(fixed(0.25)) == "0.25"
    assert Range(low=1, high=3).at(0.25) == 1.5
