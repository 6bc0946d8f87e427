"""Requested against measured at a sample of the range, and the report of all of it."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import typer
from mosaic_draws import draw_scenes, fixed
from PIL import Image
from typer.testing import CliRunner

from benchmarks.mosaic import __main__ as command
from benchmarks.mosaic import report
from benchmarks.mosaic.requested import (
    CV_LIMIT,
    DENSITY_LIMIT,
    HEXAGONALITY_LIMIT,
    Combination,
    MeasuredCombination,
    combinations,
    measure_combination,
)
from endotwin.image_range import IMAGE_SIZE
from endotwin.mosaic.calibration import reachable_hexagonality
from endotwin.mosaic.parameters import CV, DENSITY, HEXAGONALITY, Conditions

SAMPLE = [
    # density, cv, place between the least and the greatest hexagonality, mosaics
    (4500.0, 0.60, 1.0, 200),
    (2000.0, 0.25, 0.5, 200),
]
MORE = [
    (4500.0, 0.15, 0.5, 200),
    (4500.0, 0.35, 0.0, 200),
    (2000.0, 0.15, 1.0, 200),
    (2000.0, 0.40, 0.25, 200),
    (2000.0, 0.60, 0.5, 200),
    # Of cells as large as these, 200 images show 1,300: by chance alone, cv and hexagonality of so few
    # differ by several per cent.
    (500.0, 0.30, 0.5, 800),
    (500.0, 0.55, 0.75, 800),
]


@pytest.mark.parametrize(
    ("density", "cv", "place", "images"),
    [*SAMPLE, *(pytest.param(*values, marks=pytest.mark.long) for values in MORE)],
)
def test_mosaics_have_what_was_asked_for(density: float, cv: float, place: float, images: int) -> None:
    low, high = reachable_hexagonality(cv)
    hexagonality = low + place * (min(high, HEXAGONALITY[1]) - low)
    deviations = measure_combination(Combination(density, cv, hexagonality), images, seed=77).deviations
    assert abs(deviations.density) < DENSITY_LIMIT
    assert abs(deviations.cv) < CV_LIMIT
    assert abs(deviations.hexagonality) < HEXAGONALITY_LIMIT


def test_few_large_cells_have_it_within_their_standard_errors() -> None:
    """The least density: 100 images show 650 cells, so the tolerance is the limit and 3 standard errors.

    Relative standard errors of n cells: at most 1 / √n of the count (Poisson's; cells that fill the plane
    vary less), √((1/2 + cv²) / n) of the cv, √((1 - h) / (h n)) of a share h.
    """
    asked = Combination(DENSITY[0], 0.3, 0.55)
    found = measure_combination(asked, 100, seed=78)
    count, cv, share = found.cells, asked.cv, asked.hexagonality
    assert 500 < count < 800
    assert abs(found.deviations.density) < DENSITY_LIMIT + 3 / math.sqrt(count)
    assert abs(found.deviations.cv) < CV_LIMIT + 3 * math.sqrt((0.5 + cv**2) / count)
    assert abs(found.deviations.hexagonality) < HEXAGONALITY_LIMIT + 3 * math.sqrt(
        (1 - share) / (share * count)
    )


def test_the_combinations_span_the_range() -> None:
    every = list(combinations())
    assert {min(c.density for c in every), max(c.density for c in every)} == set(DENSITY)
    assert {min(c.cv for c in every), max(c.cv for c in every)} == set(CV)
    assert max(c.hexagonality for c in every) == HEXAGONALITY[1]
    assert min(c.hexagonality for c in every) == reachable_hexagonality(CV[1])[0]


def test_deviations_in_closed_form() -> None:
    comparison = MeasuredCombination(Combination(2000, 0.25, 0.5), Combination(2100, 0.20, 0.6), cells=10)
    found = comparison.deviations
    assert (found.density, found.cv, found.hexagonality) == pytest.approx((0.05, -0.2, 0.2))
    table = report.comparison_table([comparison])
    assert "| 2000 | 10 | +5.0 %, 5.0 % | -20.0 %, 20.0 % | +20.0 %, 20.0 % |" in table
    assert "| 10 | 2000 → 2100 | 0.25 → 0.200 | 0.50 → 0.600 |" in report.full_table([comparison])


def test_the_command_writes_plot_tables_and_sheet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        command, "combinations", lambda: iter([Combination(1000, 0.3, 0.6), Combination(3000, 0.3, 0.6)])
    )
    monkeypatch.setattr(report, "SHEET", {"few": Conditions(density=fixed(800), guttae=fixed(0.2))})
    app = typer.Typer()
    app.command()(command.main)
    result = CliRunner().invoke(app, ["-o", str(tmp_path / "new"), "--images", "3"])
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [
        "mosaic.md",
        "mosaic.png",
        "sheet.png",
    ]
    text = (tmp_path / "new" / "mosaic.md").read_text(encoding="utf-8")
    assert "| 1000 | " in text
    assert "| 3000 | " in text
    with Image.open(tmp_path / "new" / "sheet.png") as sheet:
        assert sheet.mode == "RGB"
        assert sheet.width > 6 * 2 * IMAGE_SIZE
        assert len(sheet.getcolors(10**6)) > 10
    with Image.open(tmp_path / "new" / "mosaic.png") as plot:
        assert plot.width > 800


def test_a_label_in_colours() -> None:
    (scene,) = draw_scenes(3, 1, Conditions(guttae=fixed(0.2), density=fixed(2000)))
    label = scene.label()
    shown = report.colour_label(label).astype(int)
    assert not shown[label.borders > 0].any()
    for cell in label.cells:
        mine = shown[(label.instances == cell.id) & (label.guttae == 0)]
        assert (mine == mine[:1]).all()
        assert not len(mine) or mine.max() > 200
        covered = shown[(label.instances == cell.id) & (label.guttae > 0)]
        assert not len(covered) or covered.max() < 130
    free = shown[(label.borders == 0) & (label.guttae == 0)]
    assert len(np.unique(free, axis=0)) > 0.8 * len({c.id for c in label.cells})
