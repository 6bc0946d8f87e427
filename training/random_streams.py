"""The streams of random numbers of this package, one for each purpose, so that no two coincide.

`numpy.random.default_rng` fills lists up with zeros and splits large numbers: [s, 1, 0], [s, 1] and
s + 2 ** 32 give the same stream. So every purpose has a number here, and the words that a stream follows
from have a fixed form: seed and purpose; or the seed as four words, purpose, step and rank.
"""

from __future__ import annotations

from enum import IntEnum, unique

import numpy as np


@unique
class Purpose(IntEnum):
    """What a stream is for. Recorded scores rest on 1 to 24: these numbers never change."""

    TRAINING_CROPS_1 = 1
    TRAINING_CROPS_2 = 2
    HELD_OUT_CROPS_1 = 3
    NOISE = 4
    TRAINING_CROPS_3 = 5
    HELD_OUT_CROPS_2 = 6
    HELD_OUT_CROPS_3 = 7
    MEMORISATION_CONTROL = 11
    MEMORISATION_SUBSETS = 12
    CELLS_TRAINING = 21
    CELLS_TRAINING_AGAIN = 22
    CELLS_HELD_OUT = 23
    CELL_GROUPS = 24
    BLIND_TEST_CROPS = 31
    TRAINING_STEP = 41
    READER_CROPS = 42
    SHEET_CROPS = 43
    TRIAL_CROPS = 51
    TRIAL_AUGMENTATION = 52
    TRIAL_BORDERS = 53
    TRIAL_VALIDATION = 54
    TRIAL_CHOICE = 55
    TRIAL_SET = 56
    TRIAL_BOOTSTRAP = 57
    SEGMENTER_SET = 61
    SEGMENTER_ORDER = 62
    SEGMENTER_CROPS = 63


def stream(seed: int, purpose: Purpose) -> np.random.Generator:
    """Return the stream of a seed, 0 to 2 ** 64 - 1, for a purpose: `default_rng([seed, purpose])`."""
    return np.random.default_rng([seed, purpose])


def stream_of_step(seed: int, purpose: Purpose, step: int, rank: int = 0) -> np.random.Generator:
    """Return a stream of its own for one step of one process.

    Args:
        seed: 0 to 2 ** 64 - 1.
        purpose: what it is for.
        step: 0 to 2 ** 32 - 1.
        rank: of the process, 0 to 2 ** 32 - 1.

    Raises:
        ValueError: step or rank is out of range.
    """
    if not (0 <= step < 2**32 and 0 <= rank < 2**32):
        raise ValueError(f"step and rank must be from 0 to 2 ** 32 - 1, got {step} and {rank}")
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(purpose, step, rank)))
