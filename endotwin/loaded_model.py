"""A checkpoint that is loaded in this process, as `endotwin.load` returns it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Unpack

import numpy as np

from endotwin.catalogue import check_labelling
from endotwin.generator.sampler import Sampler
from endotwin.image_range import ImageRange
from endotwin.samples.arguments import (
    ConditionArguments,
    LabelNames,
    conditions_as_text,
    labels_as_text,
)
from endotwin.samples.arrays import Sample, samples_of
from endotwin.samples.conditions import parse_labelling
from endotwin.samples.labelling import Labelling
from endotwin.samples.sample import Provenance

if TYPE_CHECKING:
    from endotwin.generator.card import Card


class LoadedModel:
    """Images and samples of one checkpoint, on one device. Use it from one thread.

    Attributes:
        sampler: what generates.
    """

    def __init__(self, sampler: Sampler) -> None:
        """Take a checkpoint that is on its device."""
        self.sampler = sampler

    @property
    def card(self) -> Card:
        """What the checkpoint is, what it was trained on, and how it scores."""
        return self.sampler.checkpoint.card

    @property
    def name(self) -> str:
        """Name in the card."""
        return self.card.name

    @property
    def has_labels(self) -> bool:
        """Whether images come with labels and meet conditions."""
        return self.sampler.has_labels

    def images(
        self, seed: int, count: int, start: int = 0, **conditions: Unpack[ConditionArguments]
    ) -> np.ndarray:
        """Return images start to start + count - 1 of a seed.

        Args:
            seed: 0 to 2**64 - 1.
            count: at least 1.
            start: index of the first image, 0 to 2**53 - 1.
            conditions: what every image meets; they take a labelled model.

        Returns:
            uint8 grey levels, (count, 128, 128).

        Raises:
            ImageRangeError: a number is out of range.
            LabellingError: the model takes no conditions, or no mosaic meets them.
        """
        asked = self._labelling((), conditions).conditions
        batches = self.sampler.batches(ImageRange(seed, start, count), asked)
        return np.concatenate([batch.images for batch in batches])

    def samples(
        self,
        seed: int,
        count: int,
        start: int = 0,
        *,
        labels: LabelNames = (),
        **conditions: Unpack[ConditionArguments],
    ) -> Iterator[Sample]:
        """Return an iterator of samples; at most 16 are made ahead of the one in use.

        Args:
            seed: 0 to 2**64 - 1.
            count: at least 1.
            start: index of the first image, 0 to 2**53 - 1.
            labels: names such as `["borders", "instances"]`; they take a labelled model.
            conditions: what every image meets, such as `density=(1500, 2500)`; they take one, too.

        Raises:
            ImageRangeError: a number is out of range.
            LabellingError: the model has no labels, there is no label of a name, or no mosaic meets the
                conditions.
        """
        labelling = self._labelling(labels, conditions)
        checkpoint = self.sampler.checkpoint
        provenance = Provenance(checkpoint.card.name, checkpoint.generator_sha256, labelling)
        batches = self.sampler.batches(ImageRange(seed, start, count), labelling.conditions)
        return (sample for batch in batches for sample in samples_of(batch, provenance))

    def _labelling(self, labels: LabelNames, conditions: ConditionArguments) -> Labelling:
        labelling = parse_labelling(labels_as_text(labels), conditions_as_text(conditions))
        check_labelling(self.card, labelling, f"model {self.name}", "model")
        return labelling
