"""Tables of the scores: FID draw by draw, and what else the same features tell."""

from __future__ import annotations

from endotwin.generator.card import FidScore, Spread
from training.scores.comparisons import Comparison
from training.scores.html_page import table
from training.scores.image_sets import DRAWS
from training.scores.results import Evidence

_OWN = {"real_real": "training crops / other training crops (the floor)"}


def fid_section(evidence: Evidence) -> str:
    """Return the FID of every draw, mean and spread, and the card's, as HTML."""
    head = [
        "compared",
        *(f"draw {draw + 1}" for draw in range(DRAWS)),
        "mean ± SD",
        "in the card",
    ]
    rows = []
    for comparison in evidence.comparisons:
        told = [f"{scores.fid:.2f}" for scores in comparison.draws]
        rows.append(
            [
                compared(comparison),
                *told,
                spread(comparison.summary.fid, 2),
                told_by_card(evidence, comparison),
            ]
        )
    return (
        "<h2>FID, beside its controls</h2><p>The distance between the distributions of Inception features "
        f"of {evidence.count:,} images on either side; lower is better. Read <b>generated / training</b> "
        "beside the floor, which real crops of the same images reach, and <b>generated / held-out</b> "
        "beside training / held-out, which real images of other eyes reach; noise shows the other end of "
        "the scale. Draw 1 is the one that a card records; the others are further images of the same seed "
        "and further crops. SD (the sample standard deviation of the three draws) is that of "
        "drawing, not of other patients or another training. The set of noise is one for all draws, and "
        "the three floors are the pairs of three sets of crops.</p>"
        + table(head, rows, label="FID of each draw")
        + f"<p>{difference_sentence(evidence)}</p>"
    )


def feature_section(evidence: Evidence) -> str:
    """Return KID, precision, recall, density and coverage as HTML."""
    head = ["compared", "KID × 1,000", "precision", "recall", "density", "coverage"]
    rows = [
        [
            compared(comparison),
            spread(comparison.summary.kid, 2, 1000),
            *(
                spread(getattr(comparison.summary, score), 3)
                for score in ("precision", "recall", "density", "coverage")
            ),
        ]
        for comparison in evidence.comparisons
    ]
    return (
        "<h2>What else the same features tell</h2>"
        "<p><b>KID</b>: another distance of the same features, lower is better; it has no bias by the "
        "count and is just above or below 0 for equal distributions. <b>Precision</b>: share of the first "
        "that look like some of the second (realism). <b>Recall</b>: share of the second that the first "
        "come near to (variety). <b>Density</b> and <b>coverage</b> ask the same and are less moved by "
        "outliers: density is about 1 for equals, and above 1 for images that keep to what is common; "
        "coverage is at most 1. The floor is what other crops of the very same images reach, and what "
        "copies would reach: where crops come from few images, neighbourhoods are narrow, and no other "
        "image need lie in them. So <b>precision of generated / training</b> is read beside <b>recall of "
        "training / held-out</b>: the share of real images of other eyes that lie in the same "
        "neighbourhoods. Mean ± sample standard deviation of the three draws.</p>"
        + table(head, rows, label="KID, precision, recall, density and coverage")
    )


def compared(comparison: Comparison) -> str:
    """Return what is compared with what."""
    return _OWN.get(comparison.name, f"{comparison.first} / {comparison.second}")


def spread(found: Spread, digits: int, scale: float = 1.0) -> str:
    """Return mean ± deviation."""
    return f"{scale * found.mean:.{digits}f} ± {scale * found.deviation:.{digits}f}"


def told_by_card(evidence: Evidence, comparison: Comparison) -> str:
    """Return the card's FID of a comparison, or a dash where it has none at these counts."""
    recorded: FidScore | None = (
        getattr(evidence.recorded, comparison.name) if evidence.recorded is not None else None
    )
    if recorded is None or recorded.counts != (evidence.count, evidence.count):
        return "-"
    return f"{recorded.fid:.2f}"


def difference_sentence(evidence: Evidence) -> str:
    """Return in words how the first draw differs from the card."""
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
        f"{compared(comparison):<52} {spread(comparison.summary.fid, 2):>16} "
        f"{comparison.draws[0].fid:>11.2f} {told_by_card(evidence, comparison):>8}"
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
