"""Synthetic borders as an expert's hand would draw them: near where they are, not exactly there.

A segmenter that learns from exact labels is sure of itself, and where a real border is hard to see it sees
several. Experts' own borders waver already and are left as they are (docs/utility.md has both measured).
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from training.trial.smooth_noise import smoothed

WAVER = 0.7
"""Standard deviation of the displacement along each axis that changes from place to place, pixels: as far
as experts' lines lie from a segmenter's, once their mean is taken off."""

WAVER_SIZE = 6.0
"""Standard deviation of the blur that makes it smooth, pixels: shorter than a border is long."""

SHIFT = 0.4
"""Standard deviation of the displacement along each axis that all borders of an image share, pixels."""


def as_drawn_by_hand(bands: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Displace border bands, bool (H, W), by a smooth random field; bool (H, W)."""
    places = [
        axis
        + WAVER * smoothed(rng.standard_normal(bands.shape, dtype=np.float32), WAVER_SIZE)
        + SHIFT * rng.standard_normal()
        for axis in np.indices(bands.shape, dtype=np.float32)
    ]
    grey = ndimage.map_coordinates(bands.astype(np.float32), places, order=1, mode="nearest")
    return np.asarray(grey > 0.5)
