"""The probability of a border in images of any size, window by window."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import nn

from endotwin.image_range import IMAGE_SIZE
from endotwin.segmentation.network import standardised

OVERLAP = 0.25
"""Share of its side by which a window overlaps the next."""

_TOGETHER = 16
_SPREAD = IMAGE_SIZE / 8
"""Standard deviation, pixels, of the weight of a window's pixels around its middle."""

_LEAST_WEIGHT = 1e-3


@torch.inference_mode()
def border_probability(segmenter: nn.Module, pixels: np.ndarray, device: str) -> np.ndarray:
    """Return the probability of a border at every pixel of an image of any size.

    The image is covered by windows of the size trained on, each standardised by itself as in training,
    which overlap by a quarter and are blended; a smaller image is mirrored at its edges.

    Args:
        segmenter: on `device`.
        pixels: grey levels of any scale (H, W).
        device: torch device.

    Returns:
        float32 (H, W) from 0 to 1.
    """
    segmenter.eval()
    height, width = pixels.shape
    before = [max(0, IMAGE_SIZE - size) // 2 for size in pixels.shape]
    after = [max(0, IMAGE_SIZE - size) - edge for size, edge in zip(pixels.shape, before, strict=True)]
    image = np.pad(pixels.astype(np.float32), list(zip(before, after, strict=True)), mode="reflect")
    places = [(top, left) for top in _starts(image.shape[0]) for left in _starts(image.shape[1])]
    weight = _weight()
    total, weights = np.zeros_like(image), np.zeros_like(image)
    for first in range(0, len(places), _TOGETHER):
        parts = [
            np.s_[y : y + IMAGE_SIZE, x : x + IMAGE_SIZE] for y, x in places[first : first + _TOGETHER]
        ]
        windows = torch.from_numpy(np.stack([image[part] for part in parts]))[:, None].to(device)
        found = torch.sigmoid(segmenter(standardised(windows)))[:, 0].cpu().numpy()
        for part, probability in zip(parts, found, strict=True):
            total[part] += weight * probability
            weights[part] += weight
    blended = total / weights
    return np.asarray(blended[before[0] : before[0] + height, before[1] : before[1] + width].clip(0, 1))


def resize(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return an image, uint8 or float32, at another size (bicubic; smoothed before it is reduced)."""
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC))


def _starts(size: int) -> list[int]:
    """Return where windows begin along a side: the last one ends with the image."""
    step = int(IMAGE_SIZE * (1 - OVERLAP))
    last = size - IMAGE_SIZE
    return [*range(0, last, step), last]


def _weight() -> np.ndarray:
    """Return the weight of each pixel of a window, float32 (128, 128): a bell around its middle."""
    along = np.exp(-((np.arange(IMAGE_SIZE) - (IMAGE_SIZE - 1) / 2) ** 2) / (2 * _SPREAD**2))
    return np.maximum(np.outer(along, along), _LEAST_WEIGHT).astype(np.float32)
