"""Streams of random numbers: no two purposes, seeds, steps or ranks share one; nobody draws beside them."""

from __future__ import annotations

import ast
import itertools
from pathlib import Path

import numpy as np
import pytest

from training.random_streams import Purpose, stream, stream_of_step

ROOT = Path(__file__).resolve().parents[2]

SEEDS = (0, 1, 2, 5, 41, 2**32 - 1, 2**32, 2**32 + 1, 5 * 2**32, 2**64 - 1)

FIXED = {
    # No seed goes into these: a choice that is always the same, or the digest of 256 bits.
    "training/blind_test/build.py": 1,
    "training/curation/duplicates.py": 1,
    "training/scores/feature_scores.py": 1,
    # The seed is the user's own, beside no stream of ours.
    "endotwin/light_augmentation.py": 1,
    "endotwin/monai_transforms.py": 1,
    "training/learning/visibility.py": 1,
}


def start(generator: np.random.Generator) -> tuple[int, ...]:
    return tuple(generator.integers(2**63, size=2).tolist())


def test_no_two_streams_coincide() -> None:
    streams = [start(stream(seed, purpose)) for seed, purpose in itertools.product(SEEDS, Purpose)]
    streams += [
        start(stream_of_step(seed, purpose, step, rank))
        for seed, purpose, step, rank in itertools.product(SEEDS, Purpose, (0, 1, 5, 41, 2**32 - 1), (0, 1))
    ]
    streams.append(start(np.random.default_rng(0)))  # of the fixed choices
    assert len(set(streams)) == len(streams)


def test_lists_of_numbers_do_coincide() -> None:
    """What the fixed form is for."""
    same = ([7, 1], [7, 1, 0], 7 + 2**32)
    assert len({start(np.random.default_rng(seed)) for seed in same}) == 1


def test_recorded_streams_keep_their_numbers() -> None:
    recorded = {k: start(np.random.default_rng([3, k])) for k in (*range(1, 8), 11, 12, 21, 22, 23, 24)}
    assert recorded == {int(p): start(stream(3, p)) for p in Purpose if p <= 24}


@pytest.mark.parametrize(("step", "rank"), [(-1, 0), (2**32, 0), (0, -1), (0, 2**32)])
def test_steps_that_would_take_another_word_are_refused(step: int, rank: int) -> None:
    with pytest.raises(ValueError, match="step and rank must be from 0"):
        stream_of_step(0, Purpose.TRIAL_CROPS, step, rank)


def test_every_generator_is_one_of_them() -> None:
    found: dict[str, int] = {}
    for path in itertools.chain(
        *((ROOT / room).rglob("*.py") for room in ("endotwin", "service", "training"))
    ):
        calls = [node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
        made = [func for func in calls if isinstance(func, ast.Attribute) and func.attr == "default_rng"]
        if made:
            found[path.relative_to(ROOT).as_posix()] = len(made)
    assert found.pop("training/random_streams.py") == 2
    assert found == FIXED
