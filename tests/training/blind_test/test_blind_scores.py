"""AnswerScores with a closed form, and the paper's result as far as its numbers are at hand."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from training.blind_test.agreement import cohens_kappa, fleiss_kappa, measure_agreement
from training.blind_test.answers import Answer
from training.blind_test.blind_set import AnswerKey, BlindTestError, KeyEntry, Origin
from training.blind_test.chance import against_chance, verdict_text
from training.blind_test.confusion import Confusion
from training.blind_test.report import write_blind_test_report
from training.blind_test.scores import BlindTestScores, score_answers

GENERATED, REAL = Origin.GENERATED, Origin.REAL


def confusion(
    generated_generated: int, generated_real: int, real_generated: int, real_real: int
) -> Confusion:
    """Return the matrix with these counts: of the first class, taken for the second."""
    return Confusion(
        counts={
            GENERATED: {GENERATED: generated_generated, REAL: generated_real},
            REAL: {GENERATED: real_generated, REAL: real_real},
        }
    )


def make_key(generated: int, real: int) -> AnswerKey:
    kinds = [GENERATED] * generated + [REAL] * real
    return AnswerKey(
        digest="0" * 64,
        checkpoint="made-up",
        generator_sha256="1" * 64,
        data_sha256="2" * 64,
        same_data_as_checkpoint=True,
        real_from="training",
        real_images=4,
        disjoint_crops=3,
        seed=0,
        images={f"{k:016x}": KeyEntry(kind=kind, index=k) for k, kind in enumerate(kinds)},
    )


def answers_of(expert: str, given: str, milliseconds: int = 2000) -> list[Answer]:
    """Return answers to the first images in the key's order: g for generated, r for real."""
    kinds = {"g": GENERATED, "r": REAL}
    return [Answer(expert, f"{k:016x}", kinds[letter], milliseconds) for k, letter in enumerate(given)]


def test_class_scores() -> None:
    matrix = confusion(6, 4, 2, 8)
    found = matrix.class_score(GENERATED)
    assert (found.precision, found.recall, found.support) == (6 / 8, 6 / 10, 10)
    assert found.f1 == pytest.approx(2 / (8 / 6 + 10 / 6))
    assert (matrix.class_score(REAL).precision, matrix.class_score(REAL).recall) == (8 / 12, 8 / 10)
    assert (matrix.correct, matrix.total) == (14, 20)
    assert matrix.row_shares(GENERATED) == {GENERATED: 0.6, REAL: 0.4}


def test_what_has_no_denominator_has_no_value() -> None:
    found = confusion(0, 3, 0, 0)
    assert found.class_score(GENERATED).precision is None
    assert found.class_score(GENERATED).f1 == 0
    assert found.class_score(REAL).recall is None
    assert found.row_shares(REAL) == {GENERATED: None, REAL: None}
    assert confusion(0, 0, 0, 1).class_score(GENERATED).f1 is None


def test_matrix_must_be_complete() -> None:
    with pytest.raises(ValueError, match="for each class and each answer"):
        Confusion(counts={GENERATED: {GENERATED: 1, REAL: 2}})
    with pytest.raises(ValueError, match="0 or more"):
        confusion(1, -1, 0, 0)


def test_all_right_and_all_wrong() -> None:
    """Ten of ten: p = 2 / 2 ** 10, exact interval from 0.025 ** (1 / 10) to 1; the same turned round."""
    right, wrong = against_chance(confusion(5, 0, 0, 5)), against_chance(confusion(0, 5, 5, 0))
    assert right.p_binomial == pytest.approx(2 / 2**10)
    assert wrong.p_binomial == pytest.approx(2 / 2**10)
    assert (right.low, right.high) == (pytest.approx(0.025**0.1), 1)
    assert (wrong.low, wrong.high) == (0, pytest.approx(1 - 0.025**0.1))
    assert right.p_fisher == pytest.approx(2 / math.comb(10, 5))
    assert (right.direction, wrong.direction) == ("above chance", "below chance")


def test_preferring_one_answer_is_no_discrimination() -> None:
    """Nine of ten are real: who always says `real` is right nine times of ten. Fisher's test sees why."""
    found = against_chance(confusion(0, 10, 0, 90))
    assert found.p_binomial < 1e-15
    assert found.p_fisher == 1


def test_words_for_each_direction() -> None:
    assert verdict_text(against_chance(confusion(5, 0, 0, 5))).startswith("Above chance: 100.0%")
    assert "named the wrong way round" in verdict_text(against_chance(confusion(0, 5, 5, 0)))
    assert "no proof" in verdict_text(against_chance(confusion(2, 3, 3, 2)))


@pytest.mark.parametrize("correct", [590, 600, 610])
def test_what_the_paper_reports(correct: int) -> None:
    """All that is at hand of the paper's Table 1: 1,000 images of each class, and an accuracy of 0.30.

    The matrix itself (its Fig. 8) is not. So this goes over the matrices that round to the accuracy, at its
    lowest, middle and highest count, and holds what follows for all of them.
    """
    for generated_right in range(0, correct + 1, 10):
        real_right = correct - generated_right
        matrix = confusion(generated_right, 1000 - generated_right, 1000 - real_right, real_right)
        found = against_chance(matrix)
        scores = [matrix.class_score(kind) for kind in Origin]
        recalls = [one.recall for one in scores if one.recall is not None]
        assert found.accuracy == correct / 2000
        assert [one.support for one in scores] == [1000, 1000]
        assert sum(recalls) / 2 == pytest.approx(found.accuracy)
        assert found.high < 0.33
        assert found.low > 0.27
        assert found.direction == "below chance"
        assert found.p_binomial < 1e-68
        assert found.p_fisher < 1e-20


def test_cohens_kappa_of_a_published_example() -> None:
    """Of 50 proposals two readers both accept 20 and both refuse 15; 5 and 10 divide them: kappa 0.4."""
    pairs = [(1, 1)] * 20 + [(1, 0)] * 5 + [(0, 1)] * 10 + [(0, 0)] * 15
    observed, kappa = cohens_kappa(np.array(pairs), 2)
    assert observed == pytest.approx(0.7)
    assert kappa == pytest.approx(0.4)


def test_fleiss_kappa_of_a_published_example() -> None:
    """Ten subjects, fourteen raters, five categories: kappa 0.210 (the worked example of Wikipedia)."""
    counts = [
        [0, 0, 0, 0, 14],
        [0, 2, 6, 4, 2],
        [0, 0, 3, 5, 6],
        [0, 3, 9, 2, 0],
        [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0],
        [3, 2, 6, 3, 0],
        [2, 5, 3, 2, 2],
        [6, 5, 2, 1, 0],
        [0, 2, 2, 3, 7],
    ]
    observed, kappa = fleiss_kappa(np.array([np.repeat(range(5), row) for row in counts]), 5)
    assert observed == pytest.approx(0.378, abs=5e-4)
    assert kappa == pytest.approx(0.210, abs=5e-4)


def test_agreement_is_of_the_images_that_all_have_answered() -> None:
    def given(letters: str) -> dict[str, Origin]:
        return {one.image: one.answer for one in answers_of("x", letters)}

    two = measure_agreement({"a": given("grgr"), "b": given("grgrrrrr")})
    assert (two.measure, two.images, two.observed, two.kappa) == ("Cohen's kappa", 4, 1, 1)
    three = measure_agreement({"a": given("grgr"), "b": given("grgr"), "c": given("gr")})
    assert (three.measure, three.images, three.kappa) == ("Fleiss' kappa", 2, 1)
    opposite = measure_agreement({"a": given("grgr"), "b": given("rgrg")})
    assert (opposite.observed, opposite.kappa) == (0, -1)
    assert measure_agreement({"a": given("gg"), "b": given("gg")}).kappa is None
    nothing = measure_agreement({"a": given("gg"), "b": {}})
    assert (nothing.images, nothing.observed, nothing.kappa) == (0, None, None)


def test_last_answer_and_first_time_count() -> None:
    first = [*answers_of("anna", "r", 1000), *answers_of("anna", "g", 9000), *answers_of("anna", "g", 9000)]
    [scores] = score_answers(make_key(1, 0), first).experts
    assert scores.confusion == confusion(1, 0, 0, 0)
    assert scores.changed == 1
    assert scores.times.overall.median == 1


def test_a_time_belongs_to_the_answer_it_was_measured_for() -> None:
    """First wrong after 1 s, then changed to right after 9 s: 1 s is the time of a wrong answer."""
    answers = [*answers_of("anna", "r", 1000), *answers_of("anna", "g", 9000)]
    [scores] = score_answers(make_key(1, 0), answers).experts
    assert scores.confusion == confusion(1, 0, 0, 0)
    wrong = scores.times.wrong[GENERATED]
    assert wrong is not None
    assert (wrong.answers, wrong.median) == (1, 1)
    assert scores.times.right[GENERATED] is None


def test_unfinished_experts_count_and_are_marked() -> None:
    answers = [*answers_of("bert", "ggrr"), *answers_of("anna", "gr")]
    scores = score_answers(make_key(2, 2), answers)
    assert [(one.name, one.answered, one.finished) for one in scores.experts] == [
        ("anna", 2, False),
        ("bert", 4, True),
    ]
    assert scores.pooled is not None
    assert (scores.pooled.answered, scores.pooled.asked) == (6, 8)
    assert scores.pooled.confusion == confusion(3, 1, 0, 2)
    assert scores.agreement is not None
    assert scores.agreement.images == 2
    assert BlindTestScores.model_validate_json(scores.model_dump_json()) == scores


def test_one_expert_is_not_pooled() -> None:
    scores = score_answers(make_key(1, 1), answers_of("anna", "gr"))
    assert (scores.pooled, scores.agreement) == (None, None)


def test_times_by_class_and_correctness() -> None:
    kinds = "gggg"
    timed = [
        Answer("anna", one.image, one.answer, 1000 * (k + 1)) for k, one in enumerate(answers_of("", kinds))
    ]
    [scores] = score_answers(make_key(3, 1), timed).experts
    right, wrong = scores.times.right[GENERATED], scores.times.wrong[REAL]
    assert right is not None
    assert (right.answers, right.lower, right.median, right.upper) == (3, 1.5, 2, 2.5)
    assert wrong is not None
    assert (wrong.answers, wrong.median) == (1, 4)
    assert (scores.times.right[REAL], scores.times.wrong[GENERATED]) == (None, None)


def test_answers_to_another_set_are_refused() -> None:
    with pytest.raises(BlindTestError, match="anna has answered an image 0000000000000002"):
        score_answers(make_key(1, 1), answers_of("anna", "ggg"))
    with pytest.raises(BlindTestError, match="nobody has answered yet"):
        score_answers(make_key(1, 1), [])


def test_names_are_escaped_in_the_report(tmp_path: Path) -> None:
    script = "<script>alert(1)</script>"
    key = make_key(1, 1).model_copy(update={"checkpoint": script})
    answers = [*answers_of(script, "gr"), *answers_of("anna", "gr")]
    write_blind_test_report(score_answers(key, answers), tmp_path / "score.html")
    page = (tmp_path / "score.html").read_text()
    assert "<script" not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") == 6
