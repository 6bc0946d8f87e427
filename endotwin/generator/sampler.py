"""image(checkpoint, seed, index): the contract as code.

The network always runs one fixed batch shape, aligned to multiples of it in the index, and a caller gets
a slice. So an image's bytes depend neither on how many are asked for nor on where a request starts, nor on
what else is being generated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
import torch

from endotwin.generator.architectures import to_grey_levels
from endotwin.generator.batch import Batch, BatchMaker
from endotwin.generator.checkpoint import Checkpoint
from endotwin.generator.device import describe_device
from endotwin.generator.labelled import LabelledGenerator
from endotwin.generator.latents import draw_normals
from endotwin.image_range import BATCH, ImageRange
from endotwin.mosaic.parameters import Conditions
from endotwin.mosaic.scene import Scene


class NotLabelledError(TypeError):
    """Labels or conditions were asked of a checkpoint that has none."""


@dataclass(frozen=True)
class Drawing:
    """What is drawn for an aligned batch before the network runs.

    Attributes:
        range: the images that are wanted of it.
        draws: float32 (BATCH, draws) standard normal.
        scenes: BATCH scenes of a labelled model, else none.
    """

    range: ImageRange
    draws: np.ndarray
    scenes: Sequence[Scene]


class Sampler:
    """Generate images of one checkpoint on one device. Use it from one thread; `draw` alone from any."""

    def __init__(self, checkpoint: Checkpoint, device: str = "cpu") -> None:
        """Move the checkpoint's generator to `device`, a torch device such as cpu or cuda."""
        self.checkpoint = checkpoint
        self.device = torch.device(device)
        self._generator = checkpoint.generator.to(self.device).to(memory_format=torch.channels_last)
        if self.device.type == "cuda":
            # TF32 and algorithm search would make bytes depend on the card and on chance.
            torch.backends.cuda.matmul.allow_tf32 = False
            torch.backends.cudnn.allow_tf32 = False
            torch.backends.cudnn.benchmark = False
            torch.backends.cudnn.deterministic = True

    @property
    def has_labels(self) -> bool:
        """Whether the checkpoint's images come with labels and take conditions."""
        return isinstance(self._generator, LabelledGenerator)

    def images(self, seed: int, count: int, start: int = 0) -> np.ndarray:
        """Return images start to start + count - 1 of a seed.

        Args:
            seed: 0 to 2**64 - 1.
            count: at least 1.
            start: index of the first image, 0 to 2**53 - 1.

        Returns:
            uint8 grey levels, shape (count, 128, 128).

        Raises:
            ImageRangeError: a number is out of range.
        """
        return np.concatenate([batch.images for batch in self.batches(ImageRange(seed, start, count))])

    def batches(self, images: ImageRange, conditions: Conditions | None = None) -> Iterator[Batch]:
        """Yield the batches of a range in order; see `batch`."""
        return (self.batch(part, conditions) for part in images.parts())

    def batch(self, part: ImageRange, conditions: Conditions | None = None) -> Batch:
        """Generate images of one aligned batch.

        image(checkpoint, seed, index, conditions) is a pure function as well, and without a condition it is
        image(checkpoint, seed, index).

        Args:
            part: one of `ImageRange.parts()`.
            conditions: what every image meets, of a labelled model; None for nothing.

        Raises:
            NotLabelledError: conditions are given and the checkpoint takes none.
        """
        return self.render(self.draw(part, conditions))

    def draw(
        self,
        part: ImageRange,
        conditions: Conditions | None = None,
        before_each: Callable[[], None] = lambda: None,
    ) -> Drawing:
        """Do the part of `batch` that needs no device; `before_each` is called before each scene.

        Raises:
            NotLabelledError: as for `batch`.
        """
        aligned = ImageRange(part.seed, part.start - part.start % BATCH, BATCH)
        draws = draw_normals(aligned, self._generator.draws)
        if isinstance(self._generator, LabelledGenerator):
            scenes = self._generator.draw_scenes(draws, conditions or Conditions(), before_each)
            return Drawing(part, draws, scenes)
        if conditions is not None:
            raise NotLabelledError(f"{self.checkpoint.card.name} has no labels and takes no conditions")
        return Drawing(part, draws, ())

    def render(self, drawing: Drawing) -> Batch:
        """Do the rest of `batch`: run the network."""
        draws = torch.from_numpy(drawing.draws).to(self.device)
        with torch.inference_mode():
            if isinstance(self._generator, LabelledGenerator):
                images = self._generator.render_scenes(draws, drawing.scenes)
            else:
                images = self._generator(draws)
            grey: np.ndarray = to_grey_levels(images).cpu().numpy()
        first = drawing.range.start % BATCH
        wanted = slice(first, first + drawing.range.count)
        return Batch(drawing.range, grey[wanted], drawing.scenes[wanted])


def sampler_in(thread: Executor, checkpoint: Checkpoint, device: torch.device) -> BatchMaker:
    """Move a checkpoint to a device, for a thread to generate on.

    Args:
        thread: one thread. To be fast on a CPU the checkpoint is loaded in it, too: torch keeps a team of
            OpenMP threads for every thread that ever used it, and two teams compete for the cores.
        checkpoint: as loaded.
        device: to generate on.
    """
    sampler = thread.submit(Sampler, checkpoint, str(device)).result()
    return BatchMaker(sampler.batch, thread, describe_device(device))
