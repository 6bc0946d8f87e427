"""Tables of an evaluation, for the report and for the console."""

from __future__ import annotations

from endotwin.generator.card import FidScore, Spread
from training.html_page import Table
from training.scores.cells.record import (
    CellComparison,
    CellStatistics,
    Distances,
    MethodError,
    ParameterError,
)
from training.scores.comparisons import SetComparison
from training.scores.evidence import Evidence
from training.scores.image_sets import DRAWS
from training.scores.memorisation.record import Memorisation

_NAMES = {"real_real": "training crops / other training crops (the floor)"}
_QUANTILES = ("50", "95", "99", "100")


def fid_table(evidence: Evidence) -> Table:
    """Return the FID of every draw, mean and spread, and the card's."""
    head = ["compared", *(f"draw {draw + 1}" for draw in range(DRAWS)), "mean ± SD", "in the card"]
    rows = [
        [
            _name(comparison),
            *(f"{scores.fid:.2f}" for scores in comparison.draws),
            _spread(comparison.summary.fid, 2),
            _fid_of_card(evidence, comparison),
        ]
        for comparison in evidence.comparisons
    ]
    return Table("FID of each draw", head, rows)


def feature_table(evidence: Evidence) -> Table:
    """Return KID, precision, recall, density and coverage."""
    rows = [
        [
            _name(comparison),
            _spread(comparison.summary.kid, 2, 1000),
            *(
                _spread(getattr(comparison.summary, score), 3)
                for score in ("precision", "recall", "density", "coverage")
            ),
        ]
        for comparison in evidence.comparisons
    ]
    head = ["compared", "KID × 1,000", "precision", "recall", "density", "coverage"]
    return Table("KID, precision, recall, density and coverage", head, rows)


def similarity_table(found: Memorisation) -> Table:
    """Return quantiles of the similarity to the nearest crop."""
    rows = [
        [name, f"{of.count:,}", *(f"{of.quantiles[share]:.3f}" for share in _QUANTILES)]
        for name, of in (
            ("generated images, to training crops", found.generated_training),
            ("held-out crops, to training crops (the control)", found.control),
            ("generated images, to held-out crops", found.generated_held_out),
        )
    ]
    head = ["similarity, 1 for a copy", "images", "median", "95 %", "99 %", "nearest"]
    return Table("Similarity to the nearest crop", head, rows)


def cell_table(found: CellComparison) -> Table:
    """Return the parameters of the cells of generated images and real crops."""
    rows = [
        _cell_row("generated images", found.generated),
        _cell_row("training crops", found.training),
        _cell_row("training crops, second draw", found.training_again),
    ]
    if found.held_out is not None:
        rows.append(_cell_row("held-out crops", found.held_out))
    head = ["pooled", "crops", "cells", "cells per 10,000 pixels", "CV of the area", "hexagons"]
    return Table("Cells", head, rows)


def distance_table(found: CellComparison) -> Table:
    """Return the Wasserstein distances between distributions of cells."""
    rows = [
        _distance_row("generated images / training crops", found.generated_training),
        _distance_row("training crops / training crops, second draw", found.training_training),
    ]
    if found.held_out_training is not None:
        rows.append(_distance_row("held-out crops / training crops", found.held_out_training))
    head = [
        "compared",
        "areas, pixels",
        "neighbours",
        "density of groups",
        "CV of groups",
        "hexagons of groups",
    ]
    return Table("Wasserstein distances", head, rows)


def method_error_table(found: CellComparison) -> Table:
    """Return the errors of the method; without rows where no cells are known."""
    rows = [_error_row(error) for error in (found.expert_error, found.label_error) if error is not None]
    head = ["error of the method, median (and of its size)", "images", "cells", "density", "CV", "hexagons"]
    return Table("Errors of the method", head, rows)


def difference_sentence(evidence: Evidence) -> str:
    """Return how the first draw differs from the card, in words."""
    if evidence.recorded is None:
        return "The card holds no FID to compare with."
    if evidence.difference is None:
        then = evidence.recorded.generated_training
        return (
            f"The card's FID was measured at {then.first_count:,} / {then.second_count:,} images with seed "
            f"{evidence.recorded.seed}; scores of other counts or seeds are not compared."
        )
    return f"The first draw differs from the card's FID by {evidence.difference:+.3f}."


def console_table(evidence: Evidence) -> str:
    """Return the FIDs as text for a console, one line per comparison."""
    lines = [f"{'compared':<52} {'FID, ' + str(DRAWS) + ' draws':>16} {'first draw':>11} {'card':>8}"]
    lines += [
        f"{_name(comparison):<52} {_spread(comparison.summary.fid, 2):>16} "
        f"{comparison.draws[0].fid:>11.2f} {_fid_of_card(evidence, comparison):>8}"
        for comparison in evidence.comparisons
    ]
    lines += ["", f"{evidence.name}, {evidence.count:,} images a side. {difference_sentence(evidence)}"]
    statistics = evidence.statistics
    lines.append(
        f"Mean |correlation| of different high-passed images ({statistics.count:,} each): "
        f"generated {statistics.generated_correlation:.4f}, real {statistics.real_correlation:.4f}"
    )
    if evidence.labels is not None:
        lines.append(
            f"Borders of {evidence.labels.count} images against their labels: median "
            f"{evidence.labels.displacement_median:.2f} px apart, "
            f"{evidence.labels.displacement_within_one:.0%} within one pixel"
        )
    if evidence.memorisation is not None:
        lines.append(f"Memorisation: {evidence.memorisation.sentence}")
    return "\n".join(lines)


def _name(comparison: SetComparison) -> str:
    return _NAMES.get(comparison.name, f"{comparison.first} / {comparison.second}")


def _spread(found: Spread, digits: int, scale: float = 1.0) -> str:
    return f"{scale * found.mean:.{digits}f} ± {scale * found.deviation:.{digits}f}"


def _fid_of_card(evidence: Evidence, comparison: SetComparison) -> str:
    """Return the card's FID of a comparison, or a dash where it has none at these counts."""
    recorded: FidScore | None = (
        getattr(evidence.recorded, comparison.name) if evidence.recorded is not None else None
    )
    if recorded is None or recorded.counts != (evidence.count, evidence.count):
        return "-"
    return f"{recorded.fid:.2f}"


def _cell_row(name: str, found: CellStatistics) -> list[str]:
    return [
        name,
        f"{found.crops:,}",
        f"{found.cells:,}",
        _number(found.density, "{:.1f}"),
        _number(found.cv, "{:.3f}"),
        _number(found.hexagonality, "{:.1%}"),
    ]


def _distance_row(name: str, found: Distances) -> list[str]:
    return [
        name,
        _number(found.area, "{:.1f}"),
        _number(found.neighbours, "{:.3f}"),
        _number(found.density, "{:.2f}"),
        _number(found.cv, "{:.3f}"),
        _number(found.hexagonality, "{:.3f}"),
    ]


def _error_row(found: MethodError) -> list[str]:
    return [
        found.truth,
        f"{found.images:,}",
        f"{found.cells:,}",
        *(_error(parameter) for parameter in (found.density, found.cv, found.hexagonality)),
    ]


def _error(found: ParameterError | None) -> str:
    return "-" if found is None else f"{found.median:+.1%} ({found.median_size:.1%})"


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)
