"""image(checkpoint, seed, index): the contract as code.

The network always runs one fixed batch shape, aligned to multiples of it in the index; whoever needs
fewer images takes a slice. So an image's bytes depend neither on how many are asked for nor on where a
request starts, nor on what else is being generated.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from training.checkpoint import Checkpoint
from training.latents import draw_normals
from training.networks import IMAGE_SIZE, to_grey_levels

BATCH = 16
"""Images per run of the network. Part of the contract: another value would change bytes."""


class Sampler:
    """Generates images of one checkpoint on one device. Not thread-safe: one thread owns the device."""

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

    def batch(self, seed: int, block: int) -> np.ndarray:
        """Generate the images with indices block * BATCH to block * BATCH + BATCH - 1.

        Returns:
            uint8 grey levels, shape (BATCH, 128, 128).
        """
        draws = draw_normals(seed, block * BATCH, BATCH, self._generator.draws)
        with torch.inference_mode():
            images = self._generator(torch.from_numpy(draws).to(self.device))
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


__all__ = ["BATCH", "IMAGE_SIZE", "Sampler", "plan_blocks"]
