"""A segmenter: its file, and what it finds in an image."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from endotwin.generator.card_file import (
    CheckpointError,
    read_card_and_tensors,
    write_card_file,
)
from endotwin.generator.checkpoint import SEGMENTER_KEY
from endotwin.segmentation.card import SegmenterCard
from endotwin.segmentation.cells import cells_from_borders
from endotwin.segmentation.certain_cells import border_certainty
from endotwin.segmentation.network import new_segmenter
from endotwin.segmentation.scale import CERTAIN, ZOOMS, find_zoom, shown
from endotwin.segmentation.segmentation import Segmentation
from endotwin.segmentation.windows import border_probability, resize

SHIPPED = Path(__file__).with_name("segmenter.safetensors")
"""The one that comes with the package."""


@dataclass(frozen=True)
class Segmenter:
    """A network that finds borders, and its card."""

    network: nn.Module
    card: SegmenterCard

    def segment(
        self,
        image: np.ndarray,
        *,
        pixel_size: float | None = None,
        scale: float | None = None,
        notes: tuple[str, ...] = (),
    ) -> Segmentation:
        """Find the cells of an image, on the CPU.

        Args:
            image: uint8 grey levels (H, W), H and W at least 32.
            pixel_size: side of a pixel, micrometres; without it no density is told.
            scale: size at which the network is shown the image, relative to the image; None: it is found.
            notes: to be among the warnings.
        """
        zoom = find_zoom(self.network, image, self.card.training_set.cell_side) if scale is None else scale
        if scale is None and not ZOOMS[0] < zoom < ZOOMS[-1]:
            than = "larger" if zoom < 1 else "smaller"
            notes = (*notes, f"the cells seem to be {than} than any that are looked for: give a scale")
        part = shown(image, zoom)
        probability = border_probability(self.network, part, "cpu")
        cells = cells_from_borders(probability)
        certainty = border_certainty(cells, probability)
        certain = certainty >= CERTAIN
        certain[0] = False
        if part.shape != image.shape:
            probability = resize(probability, *image.shape).clip(0, 1)
            rows, columns = (
                np.minimum((np.arange(size) + 0.5) * found // size, found - 1).astype(np.int64)
                for size, found in zip(image.shape, part.shape, strict=True)
            )
            cells = cells[rows][:, columns]
            sizes = np.bincount(cells.ravel())  # a tiny cell may be gone
            certain, certainty = certain[: len(sizes)] & (sizes > 0), certainty[: len(sizes)]
        return Segmentation(
            image, probability, cells, certainty, certain, part.shape[0] / image.shape[0], pixel_size, notes
        )


def save_segmenter(path: Path, weights: dict[str, torch.Tensor], card: SegmenterCard) -> None:
    """Write a segmenter; the file appears whole or not at all.

    Raises:
        CheckpointError: the path has another suffix than `.safetensors`.
    """
    tensors = {name: tensor.detach().cpu().float().contiguous() for name, tensor in weights.items()}
    write_card_file(path, SEGMENTER_KEY, card, tensors)


@functools.lru_cache(maxsize=4)
def load_segmenter(path: Path = SHIPPED) -> Segmenter:
    """Load a segmenter; nothing is unpickled.

    Raises:
        CheckpointError: the file cannot be used, and why.
    """
    foreign = "a safetensors file, but not a segmenter's: it has no card of one"
    card, tensors = read_card_and_tensors(path, SEGMENTER_KEY, SegmenterCard, foreign)
    network = new_segmenter(0)
    expected = {name: tensor.shape for name, tensor in network.state_dict().items()}
    if {name: tensor.shape for name, tensor in tensors.items()} != expected:
        raise CheckpointError(f"{path}: its weights are of another network")
    network.load_state_dict(tensors)
    return Segmenter(network.eval().requires_grad_(False), card)
