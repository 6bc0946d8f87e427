"""A batch of a labelled model, described as a set of a layout."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from endotwin.generator.sampler import BATCH
from endotwin.mosaic.labels import Label
from endotwin.mosaic.parameters import Conditions, Range
from endotwin.samples.labelling import Labelling
from endotwin.samples.layouts.labelled_sample import LayoutSet
from endotwin.samples.layouts.writing import LAYOUTS

SEED, START = 7, 2 * BATCH
CONDITIONS = Conditions(guttae=Range(low=0.1, high=0.2))


@dataclass(frozen=True)
class Made:
    """Images START to START + BATCH - 1 of seed 7, under `CONDITIONS`, and their labels."""

    images: np.ndarray
    labels: list[Label]


def layout_set(layout: str, *labels: str, validation_every: int | None = None) -> LayoutSet:
    """Describe the batch as a set of a layout."""
    labelling = Labelling(LAYOUTS[layout].choose_labels(labels), CONDITIONS)
    return LayoutSet(SEED, START, BATCH, "tiny-labelled", "ab" * 32, "none", labelling, validation_every)
