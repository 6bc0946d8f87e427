"""How long a score takes on this machine, said before it begins."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from endotwin.generator.checkpoint import Checkpoint
from endotwin.generator.sampler import Sampler
from endotwin.image_range import BATCH, IMAGE_SIZE, ImageRange
from training.data.split import Dataset
from training.scores.fid import INCEPTION_BATCH, features
from training.scores.inception import load_inception


def scoring_seconds(
    checkpoint: Checkpoint, dataset: Dataset, *, count: int, device: str, inception: Path | None = None
) -> float:
    """Estimate how long `evaluate` takes, if no features are known yet, by one batch of each kind.

    Args:
        checkpoint: to be scored.
        dataset: what it is scored against; held-out images make one more set.
        count: images on either side.
        device: torch device.
        inception: file of the Inception weights, see `load_inception`.

    Raises:
        InceptionError: the Inception weights are missing or not the known ones.
    """
    model, _ = load_inception(inception)
    grey = np.full((INCEPTION_BATCH, IMAGE_SIZE, IMAGE_SIZE), 128, dtype=np.uint8)
    features(grey, model, device=device)  # the first run is slower
    of_inception = _seconds(lambda: features(grey, model, device=device)) / INCEPTION_BATCH
    sampler = Sampler(checkpoint, device)
    of_generator = _seconds(lambda: sampler.batch(ImageRange(0, 0, BATCH))) / BATCH
    sets = 5 if dataset.held_out else 4  # generated, training twice, noise, held out
    return count * (of_generator + sets * of_inception)


def in_words(seconds: float) -> str:
    """Return a duration for a person: `40 s`, `12 min`, `1 h 5 min`."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
