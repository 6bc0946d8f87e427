"""A checkpoint that is loaded in this process, as `endotwin.load` returns it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Literal, Unpack

import numpy as np

from endotwin.catalogue import check_labelling
from endotwin.generator.sampler import Sampler
from endotwin.image_range import ImageRange
from endotwin.mosaic.own_masks import BorderColour, read_borders, read_instances
from endotwin.mosaic.parameters import APPEARANCE
from endotwin.samples.arguments import (
    ConditionArguments,
    ConditionValue,
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
            uint8 grey levels, (count, 128, 128), or (count, H, W) with a `size`.

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

    def render(
        self,
        *,
        borders: Iterable[np.ndarray] | None = None,
        instances: Iterable[np.ndarray] | None = None,
        appearances: int = 1,
        seed: int = 0,
        border_colour: Literal["auto", "white", "black"] = "auto",
        instrument: str | None = None,
        clarity: ConditionValue | None = None,
        pixel_size: float | str | None = None,
    ) -> Iterator[Sample]:
        """Return an iterator of images of masks that other tools made, all looks of a mask in turn.

        A mask is read when it is its turn. An image is the one of `endotwin render`: it follows from the
        checkpoint, the cells of the mask, the seed, the look and the options alone.

        Args:
            borders: masks of borders, (128, 128) each, of two levels.
            instances: instead of them instance maps, (128, 128) whole numbers, 0 off the cells.
            appearances: looks of each mask, 1 to 1000.
            seed: 0 to 2**64 - 1; another one has other looks.
            border_colour: whether borders have the higher level (white) or the lower one.
            instrument: a name of the model's; default: each look draws one.
            clarity: grey levels, or a pair to draw from; default: as the instrument has it.
            pixel_size: micrometres, for the density that is told.

        Returns:
            Samples with the labels `borders` and `instances` as rendered, and parameters. `record`
            has `mask`, the place of the mask among those given, and `appearance`; `index` follows from the
            mask's cells.

        Raises:
            LabellingError: the model has no labels, does not take the clarity, or has no such instrument.
            ImageRangeError: the seed is out of range.
            MaskError: on iteration; the message says which mask and why.
            TypeError: both kinds of masks are given, or neither.
            ValueError: the number of looks is out of range.
        """
        from endotwin.samples.rendered_masks import MaskRenderer, rendered_samples  # noqa: PLC0415

        if (borders is None) == (instances is None):
            raise TypeError("give either borders or instances")
        most = APPEARANCE[1] + 1
        if not 1 <= appearances <= most:
            raise ValueError(f"appearances must be from 1 to {most}, got {appearances}")
        asked = {"clarity": clarity, "pixel_size": pixel_size}
        labelling = parse_labelling("borders,instances,parameters", conditions_as_text(asked))
        check_labelling(self.card, labelling, f"model {self.name}", "model")
        renderer = MaskRenderer(self.sampler, seed, labelling, instrument)
        colour = BorderColour(border_colour)
        if borders is not None:
            masks = (partial(read_borders, pixels, colour) for pixels in borders)
        else:
            masks = (partial(read_instances, pixels) for pixels in instances or ())
        return rendered_samples(renderer, masks, appearances)

    def _labelling(self, labels: LabelNames, conditions: ConditionArguments) -> Labelling:
        labelling = parse_labelling(labels_as_text(labels), conditions_as_text(conditions))
        check_labelling(self.card, labelling, f"model {self.name}", "model")
        return labelling
