"""Decide which images are kept, and for which reason each other one is dropped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import NamedTuple

from training.curation.duplicates import Match
from training.curation.overrides import Overrides
from training.curation.record_store import ImageRecord
from training.curation.thresholds import Limits


class Reason(StrEnum):
    """Why an image is dropped, in the order of the funnel."""

    UNREADABLE = "unreadable"
    EXACT_DUPLICATE = "exact duplicate"
    TOO_SMALL = "too small"
    EMPTY = "empty"
    IRRELEVANT = "irrelevant"
    NEAR_DUPLICATE = "near duplicate"
    BLURRY = "blurry"
    SATURATED = "saturated"
    TOO_DARK = "too dark"
    BY_HAND = "dropped by hand"


_QUALITY = {Reason.BLURRY, Reason.SATURATED, Reason.TOO_DARK}
"""Faults of an image that does show a mosaic: a better copy of it may be there."""

_CLEARLY_SHARPER = 0.05


@dataclass(frozen=True)
class Check:
    """One measured value beside its threshold.

    Attributes:
        reason: what the image is dropped for if the value is on the wrong side.
        name: of the measure.
        value: None where it could not be measured.
        limit: its name in `thresholds.toml` ends in `_min` or `_max`.
        threshold: that name.
    """

    reason: Reason
    name: str
    value: float | None
    limit: float
    threshold: str

    @property
    def passed(self) -> bool:
        """Return whether the value is on the right side; a missing one is."""
        if self.value is None:
            return True
        return self.value >= self.limit if self.threshold.endswith("_min") else self.value <= self.limit


@dataclass(frozen=True)
class Decision:
    """Whether an image is kept, and why not.

    Attributes:
        reason: why it is dropped; None if it is kept.
        check: the value that decided, if one did.
        of: digest of the image that it is a duplicate of.
        match: how well it is found in that image, for a near duplicate.
        kept_by_hand: it would have been dropped, but the overrides keep it.
    """

    reason: Reason | None = None
    check: Check | None = None
    of: str | None = None
    match: Match | None = None
    kept_by_hand: bool = False

    @property
    def kept(self) -> bool:
        """Return whether the image is kept."""
        return self.reason is None


class ComparedPair(NamedTuple):
    """Two images, by digest, and how well one is found in the other."""

    one: str
    other: str
    match: Match


def checks(record: ImageRecord, limits: Limits) -> list[Check]:
    """Return every value of a readable image beside its threshold, in the order in which they decide."""
    whole, field, box = record.whole, record.field, record.box
    if whole is None or box is None or record.width is None or record.height is None:
        raise ValueError(f"{record.digest}: nothing was measured of an unreadable file")
    share = box.area / (record.width * record.height)
    of_field: dict[str, float] = {} if field is None else asdict(field)
    values: list[tuple[Reason, str, str, float | None]] = [
        (Reason.TOO_SMALL, "shorter side", "side_min", whole.side),
        (Reason.EMPTY, "level of the lightest tenth", "lightest_tenth_min", whole.lightest_tenth),
        (Reason.EMPTY, "range of levels", "range_min", whole.range),
        (Reason.IRRELEVANT, "share in colour", "colour_max", whole.colour),
        (Reason.IRRELEVANT, "shorter side of the field", "field_side_min", min(box.width, box.height)),
        (Reason.IRRELEVANT, "field's share of the image", "field_share_min", share),
        (Reason.IRRELEVANT, "coherence of edges", "coherence_max", of_field.get("coherence")),
        (Reason.BLURRY, "share in which cells are seen", "visible_min", of_field.get("visible")),
        (Reason.SATURATED, "saturated share", "saturated_max", of_field.get("saturated")),
        (Reason.IRRELEVANT, "sparseness of structure", "sparseness_max", of_field.get("sparseness")),
        (Reason.IRRELEVANT, "contrast of structure", "contrast_max", of_field.get("contrast")),
        (Reason.IRRELEVANT, "contrast of structure", "contrast_min", of_field.get("contrast")),
        (Reason.TOO_DARK, "brightness", "brightness_min", of_field.get("brightness")),
    ]
    return [
        Check(reason, name, value, float(getattr(limits, threshold)), threshold)
        for reason, name, threshold, value in values
    ]


def decide_by_measures(record: ImageRecord, limits: Limits) -> Decision:
    """Decide what can be decided without looking at other images: the first check that fails counts."""
    if record.unreadable is not None:
        return Decision(Reason.UNREADABLE)
    failed = next((check for check in checks(record, limits) if not check.passed), None)
    return Decision() if failed is None else Decision(failed.reason, failed)


def first_copies(records: Iterable[ImageRecord]) -> dict[str, str]:
    """Return, for the digest of every exact duplicate, the digest of the image kept in its place."""
    first: dict[str, str] = {}
    copies = {}
    for record in sorted(records, key=lambda record: record.digest):
        if record.pixels is not None and first.setdefault(record.pixels, record.digest) != record.digest:
            copies[record.digest] = first[record.pixels]
    return copies


def shows_mosaic(decision: Decision) -> bool:
    """Return whether an image shows a mosaic, so that other images may show the same cells."""
    return decision.kept or decision.reason in _QUALITY


def same_cells(match: Match, limits: Limits) -> bool:
    """Return whether two images show the same cells."""
    return match.points >= limits.points_min and match.overlap >= limits.overlap_min


def decide_duplicates(
    records: Mapping[str, ImageRecord],
    alone: Mapping[str, Decision],
    pairs: Sequence[ComparedPair],
    limits: Limits,
) -> dict[str, Decision]:
    """Keep the best of the images that show the same cells.

    Images without fault come first, then clearly sharper ones, then those with the larger field. Each is
    kept unless it is found in one that is kept already; so every dropped one was compared with the
    kept one that is named beside it. That reason replaces a fault of the image itself.
    """
    neighbours: dict[str, list[tuple[str, Match]]] = {}
    for pair in pairs:
        if same_cells(pair.match, limits):
            neighbours.setdefault(pair.one, []).append((pair.other, pair.match))
            neighbours.setdefault(pair.other, []).append((pair.one, pair.match))
    decisions = dict(alone)
    kept: set[str] = set()
    for digest in sorted(neighbours, key=lambda digest: _rank(records[digest], alone[digest])):
        found = [(match, other) for other, match in neighbours[digest] if other in kept]
        if found:
            match, other = max(found, key=lambda pair: (pair[0].points, pair[1]))
            decisions[digest] = Decision(Reason.NEAR_DUPLICATE, of=other, match=match)
        elif alone[digest].kept:
            kept.add(digest)
    return decisions


def apply_overrides(decisions: Mapping[str, Decision], overrides: Overrides) -> dict[str, Decision]:
    """Apply a person's overrides; each line changes the decision on one image only."""
    decided = dict(decisions)
    for digest, decision in decisions.items():
        if digest in overrides.drop:
            decided[digest] = Decision(Reason.BY_HAND)
        elif digest in overrides.keep and not decision.kept and decision.reason is not Reason.UNREADABLE:
            decided[digest] = replace(decision, reason=None, kept_by_hand=True)
    return decided


def _rank(record: ImageRecord, decision: Decision) -> tuple[bool, int, int, str]:
    area = record.box.area if record.box else 0
    # An enlarged copy is blurrier, and no better for its area; small differences of blur mean nothing.
    blur = record.field.blur if record.field else 1.0
    return not decision.kept, round(blur / _CLEARLY_SHARPER), -area, record.digest
