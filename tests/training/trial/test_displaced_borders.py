"""Borders displaced as by hand: as far as the module says, everywhere, and without gaps."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from endotwin.mosaic.expert_hand import DISPLACEMENT, SHIFT
from training.trial.segmenter_augmentation import displaced_borders


def test_lines_are_displaced_as_far_as_said_and_stay_bands_of_three() -> None:
    bands = np.zeros((256, 256), dtype=bool)
    rows = np.arange(16, 256, 32)
    for row in rows:
        bands[row - 1 : row + 2] = True
    places = []
    for seed in range(40):
        drawn = displaced_borders(bands, np.random.default_rng(seed))
        labelled, count = ndimage.label(drawn, structure=np.ones((3, 3)))
        assert count == len(rows)  # no line breaks
        assert drawn.sum() == pytest.approx(bands.sum(), rel=0.05)
        columns = np.arange(20, 236)  # lines end elsewhere at the edge
        for k, row in enumerate(rows, start=1):
            mine = labelled[:, columns] == k
            places.append((np.indices(mine.shape)[0] * mine).sum(axis=0) / mine.sum(axis=0) - row)
    away = np.array(places)
    assert away.mean() == pytest.approx(0.0, abs=0.15)
    # Rounding to whole pixels adds its own twelfth.
    assert away.std() == pytest.approx(np.sqrt(DISPLACEMENT**2 + SHIFT**2 + 1 / 12), rel=0.1)


def test_it_depends_on_the_generator_alone() -> None:
    bands = np.zeros((64, 64), dtype=bool)
    bands[:, 30:33] = True
    one, other, third = (displaced_borders(bands, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert (one == other).all()
    assert (one != third).any()
