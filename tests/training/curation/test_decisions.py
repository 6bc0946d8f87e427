"""Which check decides, which of several copies is kept, and that a person has the last word."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from endotwin.image_range import IMAGE_SIZE
from endotwin.image_reading import DataError
from training.curation.clean_field import Box
from training.curation.decisions import (
    ComparedPair,
    Decision,
    Reason,
    apply_overrides,
    checks,
    decide_by_measures,
    decide_duplicates,
    first_copies,
)
from training.curation.duplicates import Match
from training.curation.measures import FieldMeasures, ImageMeasures
from training.curation.overrides import TEMPLATE, Overrides, read_overrides
from training.curation.record_store import ImageRecord
from training.curation.thresholds import read_thresholds

LIMITS = read_thresholds().limits
GOOD_WHOLE = ImageMeasures(side=256, lightest_tenth=160, range=120, colour=0)
GOOD_FIELD = FieldMeasures(
    coherence=0.25, sparseness=-0.4, contrast=0.05, visible=0.9, blur=0.4, brightness=110, saturated=0.01
)
SAME = Match(points=90, overlap=0.9)


def record(
    digest: str, *, whole: ImageMeasures = GOOD_WHOLE, side: int = 256, **field: float
) -> ImageRecord:
    return ImageRecord(
        digest=digest,
        pixels=f"pixels of {digest}",
        width=256,
        height=256,
        whole=whole,
        box=Box(0, 0, side, side),
        field=replace(GOOD_FIELD, **field),
    )


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (record("a"), None),
        (record("a", whole=replace(GOOD_WHOLE, side=127)), Reason.TOO_SMALL),
        (record("a", whole=replace(GOOD_WHOLE, lightest_tenth=15)), Reason.EMPTY),
        (record("a", whole=replace(GOOD_WHOLE, range=5)), Reason.EMPTY),
        (record("a", whole=replace(GOOD_WHOLE, colour=0.3)), Reason.IRRELEVANT),
        (record("a", side=124), Reason.IRRELEVANT),
        (record("a", coherence=0.6), Reason.IRRELEVANT),
        (record("a", sparseness=3), Reason.IRRELEVANT),
        (record("a", contrast=0.2), Reason.IRRELEVANT),
        (record("a", contrast=0.005), Reason.IRRELEVANT),
        (record("a", visible=0.1), Reason.BLURRY),
        (record("a", visible=0.1, contrast=0.005), Reason.BLURRY),
        (record("a", saturated=0.5, sparseness=9), Reason.SATURATED),
        (record("a", brightness=20), Reason.TOO_DARK),
        (ImageRecord(digest="a", unreadable="damaged"), Reason.UNREADABLE),
    ],
)
def test_the_first_check_that_fails_is_the_reason(bad: ImageRecord, reason: Reason | None) -> None:
    decision = decide_by_measures(bad, LIMITS)
    assert decision.reason is reason
    if decision.check is not None:
        assert not decision.check.passed


def test_what_train_would_leave_out_is_too_small() -> None:
    assert LIMITS.side_min == LIMITS.field_side_min == IMAGE_SIZE


def test_every_limit_of_one_image_is_checked() -> None:
    of_pairs = {"points_min", "overlap_min"}
    assert {check.threshold for check in checks(record("a"), LIMITS)} == set(
        type(LIMITS).model_fields
    ) - of_pairs


def test_exact_duplicates_stand_behind_the_first() -> None:
    same = [record(digest).model_copy(update={"pixels": "p"}) for digest in "cab"]
    assert first_copies([*same, record("d"), ImageRecord(digest="e", unreadable="x")]) == {
        "b": "a",
        "c": "a",
    }


def decisions_of(records: list[ImageRecord], pairs: list[ComparedPair]) -> dict[str, Decision]:
    named = {each.digest: each for each in records}
    alone = {digest: decide_by_measures(each, LIMITS) for digest, each in named.items()}
    return decide_duplicates(named, alone, pairs, LIMITS)


def test_the_better_of_two_is_kept() -> None:
    for worse in (record("a", side=200), record("a", blur=0.5), record("a", brightness=20)):
        decisions = decisions_of([worse, record("b")], [ComparedPair("a", "b", SAME)])
        assert decisions["b"].kept
        assert (decisions["a"].reason, decisions["a"].of, decisions["a"].match) == (
            Reason.NEAR_DUPLICATE,
            "b",
            SAME,
        )


def test_an_image_is_only_dropped_for_one_that_is_kept() -> None:
    # a shows what b shows, b shows what c shows; a and c have nothing in common.
    chain = [record("a"), record("b", side=200), record("c", side=180)]
    decisions = decisions_of(chain, [ComparedPair("a", "b", SAME), ComparedPair("b", "c", SAME)])
    assert [decisions[digest].kept for digest in "abc"] == [True, False, True]


def test_two_bad_copies_keep_their_own_fault() -> None:
    decisions = decisions_of(
        [record("a", visible=0.2), record("b", visible=0.1)], [ComparedPair("a", "b", SAME)]
    )
    assert {decision.reason for decision in decisions.values()} == {Reason.BLURRY}


@pytest.mark.parametrize("match", [Match(19, 0.9), Match(90, 0.4)])
def test_a_weak_match_is_none(match: Match) -> None:
    decisions = decisions_of([record("a"), record("b")], [ComparedPair("a", "b", match)])
    assert all(decision.kept for decision in decisions.values())


def test_a_person_has_the_last_word_on_one_image_each() -> None:
    decisions = {
        "a": Decision(),
        "b": Decision(Reason.NEAR_DUPLICATE, of="a", match=SAME),
        "c": Decision(Reason.BLURRY),
        "d": Decision(Reason.UNREADABLE),
    }
    overrides = Overrides(keep=frozenset("acd"), drop=frozenset("b"))
    decided = apply_overrides(decisions, overrides)
    assert [decided[digest].kept for digest in "abcd"] == [True, False, True, False]
    assert (decided["a"].kept_by_hand, decided["c"].kept_by_hand) == (False, True)
    assert decided["b"].reason is Reason.BY_HAND
    assert overrides.unknown(frozenset("ab")) == ["c", "d"]


def test_overrides_are_read(tmp_path: Path) -> None:
    path = tmp_path / "overrides.txt"
    path.write_text(f"{TEMPLATE}\nkeep: 0123456789abcdef  # a fine image\n  drop: fedcba9876543210\n")
    assert read_overrides(path) == Overrides(
        frozenset({"0123456789abcdef"}), frozenset({"fedcba9876543210"})
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("keep 0123456789abcdef", "line 1: 'keep 0123456789abcdef'; a line is keep: or drop:"),
        ("\nkeep: 0123", "line 2"),
        ("keep: 0123456789abcdef\ndrop: 0123456789abcdef", "cannot be kept and dropped"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "overrides.txt"
    path.write_text(text)
    with pytest.raises(DataError, match=why):
        read_overrides(path)
