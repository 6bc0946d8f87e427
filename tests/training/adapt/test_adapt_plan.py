"""What an adapted model draws from, by what was measured and what was given."""

from __future__ import annotations

import math

import pytest

from endotwin.generator.labelled import LabelledArchitecture
from training.adapt.plan import make_plan
from training.adapt.request import AdaptError, GivenValues
from training.population.population import ImageMeasures, summarise

IMAGES = [
    ImageMeasures(
        file=f"{k}.png",
        width=400,
        height=300,
        seen=0.9,
        cells=100,
        area=600.0 * math.exp(0.1 * (k - 2)),
        cv=0.3 + 0.02 * (k - 2),
        hexagonality=0.5,
        stretch=1.0,
        clarity=12.0,
        guttae=0.03 if k == 4 else 0.0,
        ripple=9.0,
    )
    for k in range(5)
]
FOUND = summarise(IMAGES)


def test_a_population_is_that_of_its_images() -> None:
    assert FOUND.area == pytest.approx(600.0)
    assert FOUND.cv == pytest.approx(0.3)
    assert FOUND.cells == 500
    assert FOUND.hexagonality_sd == 0.0  # what counting a hundred cells adds explains more than there is
    assert (FOUND.guttae_share, FOUND.guttae_largest) == (0.2, 0.03)
    plan = make_plan(FOUND, GivenValues())
    assert plan.scale == 1.0
    population = plan.population
    assert population.area_median == pytest.approx(600.0)
    assert (population.cv_mean, population.hexagonality_mean) == pytest.approx((0.3, 0.5))
    assert population.guttae_share == pytest.approx(0.2)
    architecture = plan.architecture(LabelledArchitecture(), "own")
    (instrument,) = architecture.instruments
    assert (instrument.name, instrument.interlaced, instrument.clarity.median) == ("own", True, 12.0)


def test_images_that_show_too_little_do_not_count() -> None:
    hazy = [image.model_copy(update={"seen": 0.1, "area": 9.0}) for image in IMAGES[:2]]
    assert summarise([*hazy, *IMAGES[2:]]).area == pytest.approx(600.0 * math.exp(0.1))
    nothing = summarise([image.model_copy(update={"seen": 0.1}) for image in IMAGES])
    with pytest.raises(AdaptError, match=r"mean area of a cell has to be given with --cell-area: .* 10%"):
        make_plan(nothing, GivenValues())
    with pytest.raises(AdaptError, match="has to be given with --cv"):
        make_plan(nothing, GivenValues(cell_area=600))
    with pytest.raises(AdaptError, match="has to be given with --hexagonality"):
        make_plan(nothing, GivenValues(cell_area=600, cv=0.3))
    plan = make_plan(nothing, GivenValues(cell_area=600, cv=0.3, hexagonality=0.5))
    assert plan.values["area"].origin == "given"
    assert plan.values["clarity"].origin == "not measured"


@pytest.mark.parametrize(("area", "scale"), [(100.0, 1.6), (600.0, 1.0), (2500.0, 1.0), (9000.0, 0.53)])
def test_images_are_resized_where_the_renderer_needs_it(area: float, scale: float) -> None:
    factor = area / 600.0
    scaled = [image.model_copy(update={"area": image.area * factor}) for image in IMAGES if image.area]
    plan = make_plan(summarise(scaled), GivenValues(pixel_size=0.8))
    assert plan.scale == pytest.approx(scale, abs=0.06)
    assert plan.population.area_median == pytest.approx(area * plan.scale**2, rel=1e-3)
    assert plan.pixel_size == pytest.approx(0.8 / plan.scale)
    assert plan.interlaced == (plan.scale == 1.0)  # resized rows do not alternate any more
