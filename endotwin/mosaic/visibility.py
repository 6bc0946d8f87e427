"""Where in an image an expert could draw the borders of cells, as a small network reads it.

The network was trained by `training.learning.visibility` on borders that experts drew and centres of cells
that a reader counted. It computes with whole numbers: the same image has the same map on every machine.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np

WEIGHTS = Path(__file__).with_name("visibility.safetensors")

STEP = 4
"""The network reads squares of so many pixels a side."""

DILATIONS = (1, 1, 2, 4, 1)
"""Of its 3 x 3 convolutions, in steps; the last one gives the score, without ReLU."""

WEIGHT_BITS = 6
"""A weight w is kept as the whole number w * 2**WEIGHT_BITS, -127 to 127."""

ACTIVATION_BITS = 5
"""The same for what the layers compute, 0 to 255, and for grey levels over 2**ACTIVATION_BITS."""

MIDDLE_GREY = 128


@dataclass(frozen=True)
class VisibilityReader:
    """The network's whole numbers.

    Attributes:
        weights: int32 (outputs, inputs, 3, 3) of each layer.
        biases: int32 (outputs,) of each layer, in 2**-(WEIGHT_BITS + ACTIVATION_BITS).
    """

    weights: tuple[np.ndarray, ...]
    biases: tuple[np.ndarray, ...]

    def read(self, image: np.ndarray) -> np.ndarray:
        """Return where an expert could draw borders.

        Args:
            image: uint8 grey levels (H, W), at least 4 steps a side.

        Returns:
            bool (H, W).
        """
        from endotwin.mosaic.visibility_kernels import convolve, enlarge  # noqa: PLC0415

        shape = image.shape
        image = np.pad(image, [(0, -side % STEP) for side in shape], mode="edge")
        height, width = image.shape
        steps = image.astype(np.int32).reshape(height // STEP, STEP, width // STEP, STEP)
        maps = steps.transpose(1, 3, 0, 2).reshape(STEP * STEP, height // STEP, width // STEP) - MIDDLE_GREY
        last = len(self.weights) - 1
        for n, dilation in enumerate(DILATIONS):
            # The score needs no more digits: only its sign counts.
            bits = WEIGHT_BITS if n < last else 0
            maps = convolve(maps, self.weights[n], self.biases[n], dilation, bits)
        visible: np.ndarray = enlarge(maps[0], STEP)[: shape[0], : shape[1]] > 0
        return visible


@functools.cache
def load_reader() -> VisibilityReader:
    """Read the network that comes with the package."""
    from safetensors.numpy import load_file  # noqa: PLC0415

    tensors = load_file(WEIGHTS)
    layers = range(len(DILATIONS))
    return VisibilityReader(
        weights=tuple(tensors[f"weight.{n}"].astype(np.int32) for n in layers),
        biases=tuple(tensors[f"bias.{n}"].astype(np.int32) for n in layers),
    )
