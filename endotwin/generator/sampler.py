"""image(checkpoint, seed, index): the contract as code.

The network always runs one fixed batch shape, aligned to multiples of it in the index; whoever needs
fewer images takes a slice. So an image's bytes depend neither on how many are asked for nor on where a
request starts, nor on what else is being generated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch

from endotwin.generator.architectures import to_grey_levels
from endotwin.generator.checkpoint import Checkpoint
from endotwin.generator.labelled import LabelledGenerator
from endotwin.generator.latents import draw_normals
from endotwin.mosaic.parameters import Conditions
from endotwin.mosaic.scene import Scene

BATCH = 16
"""Images per run of the network. Part of the contract: another value would change bytes."""


class NotLabelledError(TypeError):
    """Labels or conditions were asked of a checkpoint that has none."""


class Sampler:
    """Generates images of one checkpoint on one device. One thread owns it; `draw` alone does without."""

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

    def require_labels(self) -> LabelledGenerator:
        """Return the generator, if its images have labels.

        Raises:
            NotLabelledError: they have none.
        """
        if not isinstance(self._generator, LabelledGenerator):
            raise NotLabelledError(f"{self.checkpoint.card.name} has no labels and takes no conditions")
        return self._generator

    def batch(self, seed: int, block: int) -> np.ndarray:
        """Generate the images with indices block * BATCH to block * BATCH + BATCH - 1.

        Returns:
            uint8 grey levels, shape (BATCH, 128, 128).
        """
        draws = draw_normals(seed, block * BATCH, BATCH, self._generator.draws)
        with torch.inference_mode():
            images = self._generator(torch.from_numpy(draws).to(self.device))
            return to_grey_levels(images).cpu().numpy()

    def scenes(self, seed: int, block: int, conditions: Conditions) -> tuple[np.ndarray, list[Scene]]:
        """Generate the images of a block under conditions, and the scenes that their labels are made of.

        image(checkpoint, seed, index, conditions) is pure as well; without a condition it is the image that
        `batch` gives.

        Args:
            seed: seed of the images.
            block: as in `batch`.
            conditions: what is asked of every image.

        Returns:
            uint8 grey levels, shape (BATCH, 128, 128), and BATCH scenes; `Scene.label` makes a label.

        Raises:
            NotLabelledError: the checkpoint has no labels.
        """
        draws, scenes = self.draw(seed, block, conditions)
        return self.render(draws, scenes), scenes

    def draw(
        self,
        seed: int,
        block: int,
        conditions: Conditions,
        before_each: Callable[[], None] = lambda: None,
    ) -> tuple[np.ndarray, list[Scene]]:
        """Do the part of `scenes` that needs no device, in any thread; `before_each` is called per scene.

        Returns:
            float32 (BATCH, draws) standard normal, for `render`; and BATCH scenes.

        Raises:
            NotLabelledError: the checkpoint has no labels.
        """
        generator = self.require_labels()
        draws = draw_normals(seed, block * BATCH, BATCH, generator.draws)
        return draws, generator.draw_scenes(draws, conditions, before_each)

    def render(self, draws: np.ndarray, scenes: Sequence[Scene]) -> np.ndarray:
        """Do the other part of `scenes`: return uint8 grey levels, shape (BATCH, 128, 128)."""
        generator = self.require_labels()
        with torch.inference_mode():
            images = generator.render_scenes(torch.from_numpy(draws).to(self.device), scenes)
            return to_grey_levels(images).cpu().numpy()

    def images(self, seed: int, start: int, count: int) -> Iterator[np.ndarray]:
        """Yield images start to start + count - 1 in order, as uint8 arrays (1..BATCH, 128, 128)."""
        for block, first, last in plan_blocks(start, count):
            yield self.batch(seed, block)[first:last]


def plan_blocks(start: int, count: int) -> Iterator[tuple[int, int, int]]:
    """Yield (block, first, last) slices of aligned batches that cover a range of image indices."""
    end = start + count
    for block in range(start // BATCH, -(-end // BATCH)):
        base = block * BATCH
        yield block, max(start - base, 0), min(end - base, BATCH)
