"""Where an image shows cell borders, by a small network that was trained on other instruments' images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors.torch import load_file
from scipy import ndimage
from torch import nn

from endotwin.segmentation.cells import cells_from_borders
from endotwin.segmentation.network import new_segmenter
from endotwin.segmentation.windows import border_probability

READER_SIDE = 20.0
"""Side of a cell (root of its mean area), in pixels, of the images that the reader was trained on."""

READER_PATH = Path(__file__).with_name("reader.safetensors")

_SMALLEST = 64


def load_reader(path: Path = READER_PATH) -> nn.Module:
    """Load the reader that ships, or another one of its kind (`training.population.fit_reader`)."""
    reader = new_segmenter(0)
    reader.load_state_dict({name: weight.float() for name, weight in load_file(path).items()})
    return reader.eval().requires_grad_(False)


def read_cells(reader: nn.Module, pixels: np.ndarray, side: float) -> tuple[np.ndarray, np.ndarray]:
    """Read the borders of an image and the cells between them.

    Args:
        reader: from `load_reader`.
        pixels: uint8 grey levels (H, W).
        side: of its cells, pixels; the image is resized to the size of cells that the reader knows.

    Returns:
        Probability of a border, float32 (h, w), and cells, int32 (h, w), numbered from 1, both of the
        resized image.
    """
    factor = max(READER_SIDE / side, _SMALLEST / min(pixels.shape))
    grey = pixels.astype(np.float32)
    if factor < 1.0:
        grey = ndimage.gaussian_filter(grey, 0.4 * (1.0 / factor - 1.0))
    zoomed = ndimage.zoom(grey, factor, order=1, mode="reflect", grid_mode=True)
    probability = border_probability(reader, zoomed, "cpu")
    return probability, cells_from_borders(probability)
