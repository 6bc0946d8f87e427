"""A checkpoint as a source of labelled images."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from endotwin.generator.checkpoint import load_checkpoint
from endotwin.generator.sampler import Sampler
from endotwin.mosaic.parameters import Conditions, Range

SEED = 20_261_125
"""Seed of the synthetic training images; another one would make others of the same kind."""

WITHOUT_GUTTAE = Conditions(guttae=Range(low=0.0, high=0.0))
"""A border that a gutta hides is in the label all the same, and would teach to see what cannot be seen."""

REGULAR = Conditions(
    guttae=Range(low=0.0, high=0.0),
    cv=Range(low=0.15, high=0.28),
    hexagonality=Range(low=0.65, high=0.85),
)
"""Mosaics more regular than most corneas, for every other block: what a cell usually looks like is easier
to learn from them, and helps where haze hides borders (docs/utility.md)."""


class CheckpointSource:
    """Images and borders of a labelled checkpoint (a `LabelledSource`).

    Even blocks show mosaics as the checkpoint draws them by itself, odd ones regular mosaics.
    """

    def __init__(self, path: Path, device: str) -> None:
        """Load a checkpoint.

        Raises:
            CheckpointError: the file cannot be used.
            NotLabelledError: its images have no labels.
        """
        self._sampler = Sampler(load_checkpoint(path), device)
        self._sampler.require_labels()

    def batch(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Return block `index`: images and borders, both uint8 (16, 128, 128); see `LabelledSource`."""
        images, scenes = self._sampler.scenes(SEED, index, REGULAR if index % 2 else WITHOUT_GUTTAE)
        return images, np.stack([scene.label().borders for scene in scenes])
