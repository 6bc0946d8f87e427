"""The report's section on morphometry: cells of generated and real images, found by one method."""

from __future__ import annotations

import html
from dataclasses import dataclass

from training.scores.html_page import figure, table
from training.scores.morphometry_record import (
    CellStatistics,
    Distances,
    MethodError,
    Morphometry,
    ParameterError,
)


@dataclass(frozen=True)
class CellPictures:
    """PNGs of the section.

    Attributes:
        areas: distributions of the cells' areas and numbers of neighbours.
        groups: density, CV and share of hexagons of the groups of crops.
    """

    areas: bytes
    groups: bytes


def morphometry_section(found: Morphometry, pictures: CellPictures) -> str:
    """Return what was found as HTML."""
    return "".join(
        (
            "<h2>Cells</h2>",
            "<p>Cells are segmented in generated and real crops by one method, and pooled, because one "
            "crop holds too few. Generated images should have the values of the training crops; how far "
            "those of held-out images are off is what other eyes differ by.</p>",
            _parameters(found),
            "<p>Wasserstein distances tell how far whole distributions are apart, 0 for equal ones. The "
            "control is the second line: two draws of training crops, which differ by chance.</p>",
            _distances(found),
            figure(pictures.areas, "Areas of the cells.", "distributions of the areas"),
            figure(pictures.groups, "The groups of crops.", "distributions of the groups"),
            "<p>The method has errors of its own, told on images whose cells are known. They may differ "
            "between generated and real images: only a larger difference than these is one of the "
            "images.</p>",
            _errors(found),
            f"<p>{html.escape(found.method)} Seed {found.seed}, groups of {found.group} crops.</p>",
        )
    )


def _parameters(found: Morphometry) -> str:
    rows = [
        _cells("generated images", found.generated),
        _cells("training crops", found.training),
        _cells("training crops, second draw", found.training_again),
    ]
    if found.held_out is not None:
        rows.append(_cells("held-out crops", found.held_out))
    head = ["pooled", "crops", "cells", "cells per 10,000 pixels", "CV of the area", "hexagons"]
    return table(head, rows, label="Cells")


def _cells(name: str, found: CellStatistics) -> list[str]:
    return [
        name,
        f"{found.crops:,}",
        f"{found.cells:,}",
        _number(found.density, "{:.1f}"),
        _number(found.cv, "{:.3f}"),
        _number(found.hexagonality, "{:.1%}"),
    ]


def _distances(found: Morphometry) -> str:
    rows = [
        _apart("generated images / training crops", found.generated_training),
        _apart("training crops / training crops, second draw", found.training_training),
    ]
    if found.held_out_training is not None:
        rows.append(_apart("held-out crops / training crops", found.held_out_training))
    head = [
        "compared",
        "areas, pixels",
        "neighbours",
        "density of groups",
        "CV of groups",
        "hexagons of groups",
    ]
    return table(head, rows, label="Wasserstein distances")


def _apart(name: str, found: Distances) -> list[str]:
    return [
        name,
        _number(found.area, "{:.1f}"),
        _number(found.neighbours, "{:.3f}"),
        _number(found.density, "{:.2f}"),
        _number(found.cv, "{:.3f}"),
        _number(found.hexagonality, "{:.3f}"),
    ]


def _errors(found: Morphometry) -> str:
    known = [error for error in (found.expert_error, found.label_error) if error is not None]
    if not known:
        return "<p>Here no image has known cells, so the method's error was not measured.</p>"
    head = ["error of the method, median (and of its size)", "images", "cells", "density", "CV", "hexagons"]
    return table(head, [_error(error) for error in known], label="Errors of the method")


def _error(found: MethodError) -> list[str]:
    return [
        found.truth,
        f"{found.images:,}",
        f"{found.cells:,}",
        _parameter(found.density),
        _parameter(found.cv),
        _parameter(found.hexagonality),
    ]


def _parameter(found: ParameterError | None) -> str:
    return "-" if found is None else f"{found.median:+.1%} ({found.median_size:.1%})"


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)
