"""A batch of a labelled model, described as a set of a layout."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from endotwin.generator.batch import Batch
from endotwin.image_range import BATCH, ImageRange
from endotwin.mosaic.labels import Label
from endotwin.mosaic.parameters import Conditions, Range
from endotwin.samples.labelling import Labelling
from endotwin.samples.layouts.layout import LayoutSet
from endotwin.samples.layouts.writing import LAYOUTS
from endotwin.samples.sample import Provenance

SEED, START = 7, 2 * BATCH
CONDITIONS = Conditions(guttae=Range(low=0.1, high=0.2))


@dataclass(frozen=True)
class Made:
    """Images START to START + BATCH - 1 of seed 7, under `CONDITIONS`, and their labels."""

    batch: Batch
    labels: list[Label]

    @property
    def images(self) -> np.ndarray:
        return self.batch.images

    def part(self, first: int, end: int) -> Batch:
        """Return images START + first to START + end - 1."""
        return self.batch.part(first, end)


def layout_set(layout: str, *labels: str, validation_every: int | None = None) -> LayoutSet:
    """Describe the batch as a set of a layout, with validation images where the layout needs some."""
    if LAYOUTS[layout].needs_validation:
        validation_every = validation_every or 4
    labelling = Labelling(LAYOUTS[layout].choose_labels(labels), CONDITIONS)
    provenance = Provenance("tiny-labelled", "ab" * 32, labelling)
    return LayoutSet(ImageRange(SEED, START, BATCH), provenance, "none", validation_every)
