"""Images of masks that other tools made, in the look of a checkpoint.

image(checkpoint, mask, seed, appearance, options) is a pure function: the index of the random numbers
follows from the cells of the mask, so neither other masks nor its name or place among them matter.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby, islice

import numpy as np
import torch

from endotwin.generator.labelled import LabelledGenerator
from endotwin.generator.sampler import Sampler
from endotwin.image_range import BATCH, ImageRange
from endotwin.mosaic.clarity import measure_clarity
from endotwin.mosaic.mask_scene import MaskMosaic, MaskScene, mosaic_of_mask, scene_of_mask
from endotwin.mosaic.own_masks import CellMask, MaskError
from endotwin.mosaic.parameters import PARAMETER_NUMBERS, Conditions, draw_parameters
from endotwin.mosaic.scene import SCENE_NUMBERS
from endotwin.samples.arrays import Sample
from endotwin.samples.labelling import Labelling, LabellingError
from endotwin.samples.sample import Provenance, sample_record


@dataclass(frozen=True)
class View:
    """A mask in one of its looks.

    Attributes:
        mosaic: of the mask.
        appearance: see `endotwin.mosaic.parameters.APPEARANCE`.
    """

    mosaic: MaskMosaic
    appearance: int


@dataclass(frozen=True, eq=False)
class RenderedMask:
    """An image of a mask.

    Attributes:
        view: what it shows.
        image: uint8 grey levels (128, 128).
        scene: that was rendered.
        instrument: that it is drawn like; None of a model that does not tell them apart.
    """

    view: View
    image: np.ndarray
    scene: MaskScene
    instrument: str | None

    @property
    def parameters(self) -> dict[str, dict[str, float | None]]:
        """What it was drawn with, `asked`, and `measured`, cv and hexagonality on cells off the edge."""
        mosaic, asked = self.view.mosaic, self.scene.parameters
        clarity = measure_clarity(self.image, self.scene.clarity_weights)
        return {
            "asked": {
                "pixel_size": asked.pixel_size,
                "clarity": asked.clarity,
                "appearance": self.view.appearance,
            },
            "measured": {
                "cells": mosaic.cells,
                "density": asked.density,
                "cv": mosaic.whole.cv,
                "hexagonality": mosaic.whole.hexagonality,
                "clarity": None if clarity is None else round(clarity, 2),
            },
        }


class MaskRenderer:
    """Render masks with one labelled checkpoint. Use it from one thread, that of the sampler.

    Attributes:
        seed: of the looks.
        provenance: where images come from, beside mask and appearance.
    """

    def __init__(
        self, sampler: Sampler, seed: int, labelling: Labelling, instrument: str | None = None
    ) -> None:
        """Check what is asked for; the network is run twice, to see whether images depend on each other.

        Args:
            sampler: of a labelled checkpoint that takes the conditions.
            seed: 0 to 2**64 - 1.
            labelling: of its conditions clarity and pixel size count.
            instrument: that images are drawn like; None for one that is drawn for each look.

        Raises:
            LabellingError: the checkpoint has no labels, or no instrument of the name.
            ImageRangeError: the seed is out of range.
        """
        generator = sampler.checkpoint.generator
        if not isinstance(generator, LabelledGenerator):
            raise LabellingError(
                "model", f"{sampler.checkpoint.card.name} has no labels and renders no masks"
            )
        self._sampler, self._generator = sampler, generator
        self.seed = ImageRange(seed, 0, 1).seed
        self.provenance = Provenance(
            sampler.checkpoint.card.name, sampler.checkpoint.generator_sha256, labelling
        )
        self._conditions = labelling.conditions or Conditions()
        self._names = [each.name for each in generator.architecture.instruments]
        if instrument is not None and instrument not in self._names:
            known = ", ".join(self._names) or "none, it does not tell instruments apart"
            raise LabellingError(
                "instrument", f"there is no instrument {instrument!r}; the model has {known}"
            )
        self._instrument = None if instrument is None else self._names.index(instrument)
        if not sampler.independent:
            sampler.check()

    def render(self, views: Iterable[View]) -> Iterator[RenderedMask]:
        """Yield the images of views in order; at most 16 are made ahead of the one in use."""
        remaining = iter(views)
        while group := list(islice(remaining, BATCH)):
            if self._sampler.independent:
                yield from self._run(group)
                continue
            # An image depends on the others of its batch: that holds the looks of one mask, aligned to 16.
            for (_, block), some in groupby(
                group, lambda view: (id(view.mosaic), view.appearance // BATCH)
            ):
                wanted = list(some)
                first = block * BATCH
                looks = self._run([View(wanted[0].mosaic, first + k) for k in range(BATCH)])
                yield from (looks[view.appearance - first] for view in wanted)

    def _run(self, views: list[View]) -> list[RenderedMask]:
        draws = np.concatenate([self._draw(view) for view in views])
        scenes = [self._scene(view, row) for view, row in zip(views, draws, strict=True)]
        images = self._sampler.run(draws, scenes)
        chosen = self._generator.instruments(torch.from_numpy(draws)).tolist()
        names = [self._names[k] if self._names else None for k in chosen]
        return [RenderedMask(*each) for each in zip(views, images, scenes, names, strict=True)]

    def _draw(self, view: View) -> np.ndarray:
        images = ImageRange(self.seed, view.mosaic.mask.index, 1)
        return self._generator.draw_numbers(images, view.appearance, self._instrument)

    def _scene(self, view: View, row: np.ndarray) -> MaskScene:
        architecture = self._generator.architecture
        clarity = None
        if architecture.instruments:
            [chosen] = self._generator.instruments(torch.from_numpy(row[None])).tolist()
            clarity = architecture.instruments[chosen].clarity
        drawn = draw_parameters(row[:PARAMETER_NUMBERS], self._conditions, architecture.population, clarity)
        return scene_of_mask(
            view.mosaic, row[:SCENE_NUMBERS], drawn, architecture.population.hexagonality_mean
        )


def rendered_samples(
    renderer: MaskRenderer, masks: Iterable[Callable[[], CellMask]], appearances: int
) -> Iterator[Sample]:
    """Yield the images of masks in order, each in its looks, as samples.

    Args:
        renderer: that renders them.
        masks: reads each.
        appearances: looks of each mask.

    Raises:
        MaskError: one cannot be used; the message says which and why.
    """
    places: deque[int] = deque()

    def views() -> Iterator[View]:
        for place, read in enumerate(masks):
            try:
                mosaic = mosaic_of_mask(read())
            except MaskError as error:
                raise MaskError(f"mask {place}: {error}") from error
            places.extend([place] * appearances)
            yield from (View(mosaic, appearance) for appearance in range(appearances))

    for rendered in renderer.render(views()):
        mosaic = rendered.view.mosaic
        record = sample_record(renderer.seed, mosaic.mask.index, renderer.provenance)
        record |= {
            "appearance": rendered.view.appearance,
            "instrument": rendered.instrument,
            "mask": places.popleft(),
            "parameters": rendered.parameters,
        }
        labels = {"borders": mosaic.borders, "instances": mosaic.instances}
        yield Sample(renderer.seed, mosaic.mask.index, rendered.image, labels, record)
