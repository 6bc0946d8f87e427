"""Render the masks of a folder into another one: the work of `endotwin render`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from endotwin.generator.checkpoint import Checkpoint
from endotwin.generator.device import describe_device
from endotwin.generator.sampler import Sampler
from endotwin.mosaic.mask_scene import mosaic_of_mask
from endotwin.mosaic.parameters import CELL_AREAS
from endotwin.samples.labelling import Labelling
from endotwin.samples.mask_files import MaskFile
from endotwin.samples.model_options import ModelOptions
from endotwin.samples.rendered_folder import RenderedFolder
from endotwin.samples.rendered_masks import MaskRenderer, View


@dataclass(frozen=True)
class RenderOutcome:
    """What `render_masks` did.

    Attributes:
        checkpoint: that rendered.
        device: on what.
        seconds: that it took.
        made: number of images that were not there before.
        there: number of images in the folder.
        unusual: masks whose cells have another mean area than any that is drawn otherwise, by name.
    """

    checkpoint: Checkpoint
    device: str
    seconds: float
    made: int
    there: int
    unusual: Sequence[str]


def render_masks(
    masks: Sequence[MaskFile],
    output: Path,
    options: ModelOptions,
    *,
    appearances: int,
    seed: int,
    labelling: Labelling,
    instrument: str | None = None,
    stop_if_asked: Callable[[], None] = lambda: None,
) -> RenderOutcome:
    """Render masks in several looks each; what is at `output` already stays and is not made again.

    Shows a progress bar on standard error if that is a terminal.

    Args:
        masks: to render.
        output: the folder, see `RenderedFolder`.
        options: what renders them; without a name, the labelled model that the service would choose.
        appearances: looks of each mask, from 0 on.
        seed: of the looks.
        labelling: of its conditions clarity and pixel size count.
        instrument: that all images are drawn like; None for one that is drawn for each look.
        stop_if_asked: is called for every image; what it raises ends the work, and what is made stays.

    Raises:
        ChoiceError: there is no model of that name, or no device can have that name.
        LabellingError: the model has no labels, does not take the clarity, or has no such instrument.
        ImageRangeError: the seed is out of range.
        SettingsError: a setting or the device does not fit this machine.
        CheckpointError: the checkpoint cannot be used.
        OutputError: there is something else at `output`.
        OSError: the output cannot be written.
    """
    with tqdm(total=len(masks) * appearances, unit=" images", disable=None) as progress:
        progress.set_description("loading the model")
        wanted = Labelling(labelling.labels or ("borders",), labelling.conditions)
        checkpoint, target = options.load(wanted)
        renderer = MaskRenderer(Sampler(checkpoint, str(target)), seed, labelling, instrument)
        folder = RenderedFolder(output, _origin(checkpoint, seed, labelling, instrument))
        progress.set_description()
        began = time.perf_counter()
        queue: list[MaskFile] = []
        unusual: list[str] = []

        def views() -> Iterator[View]:
            for mask in masks:
                missing = [k for k in range(appearances) if not folder.has(mask, k)]
                progress.update(appearances - len(missing))
                if missing:
                    stop_if_asked()
                    mosaic = mosaic_of_mask(mask.read())
                    if not CELL_AREAS[0] <= mosaic.mean_area <= CELL_AREAS[1]:
                        unusual.append(mask.path.name)
                    queue.extend([mask] * len(missing))
                    yield from (View(mosaic, k) for k in missing)

        made = 0
        for made, rendered in enumerate(renderer.render(views()), 1):  # noqa: B007
            stop_if_asked()
            folder.add(queue.pop(0), rendered)
            progress.update(1)
        there = folder.finish()
    return RenderOutcome(
        checkpoint, describe_device(target), time.perf_counter() - began, made, there, unusual
    )


def _origin(
    checkpoint: Checkpoint, seed: int, labelling: Labelling, instrument: str | None
) -> dict[str, object]:
    """Return what the images of all masks follow from, for JSON."""
    return {
        "conditions": dict(labelling.given),
        "generator_sha256": checkpoint.generator_sha256,
        "instrument": instrument,
        "model": checkpoint.card.name,
        "seed": seed,
        "terms": checkpoint.card.data.terms,
    }
