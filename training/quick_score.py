"""FID of a few images, to watch a run by."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from training.evaluation import quick_fid
from training.fid import cached_features
from training.images import Dataset, draw_crops
from training.inception import load_inception
from training.trainer import Trainer


class QuickScore:
    """Scores a run's averaged generator against the same few training crops each time.

    Never a record: FID grows as the count falls, so these compare with each other only.
    """

    def __init__(self, dataset: Dataset, count: int, device: str, inception: Path | None = None) -> None:
        """Compute the features of `count` training crops, or take them from the cache."""
        self._count = count
        self._device = device
        self._model, sha256 = load_inception(inception)
        crops = draw_crops(dataset.training, count, np.random.default_rng(0))
        self._reference = cached_features(crops, self._model, sha256, device=device)

    def __call__(self, trainer: Trainer) -> float:
        """Return the quick FID of a run as it stands."""
        return quick_fid(trainer.sample(self._count), self._reference, self._model, device=self._device)
