"""Cell mosaics made up for tests that need no real image."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree


def mosaic(seed: int, height: int = 256, width: int = 256, spacing: float = 20.0) -> np.ndarray:
    """Return bright cells with dark borders on a jittered hexagonal grid: uint8 (height, width)."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[-2 : height / spacing * 1.2 + 2, -2 : width / spacing + 2]
    centres = np.stack([rows * spacing * 0.87, (columns + (rows % 2) / 2) * spacing], axis=-1).reshape(
        -1, 2
    )
    centres += rng.normal(0, spacing * 0.15, centres.shape)
    places = np.stack(np.mgrid[:height, :width], axis=-1).reshape(-1, 2)
    distances, cells = cKDTree(centres).query(places, k=2)
    border = np.exp(-(((distances[:, 1] - distances[:, 0]) / 3.0) ** 2)).reshape(height, width)
    shade = rng.normal(0, 6, len(centres))[cells[:, 0]].reshape(height, width)
    levels = 130 + shade - 35 * border + rng.normal(0, 3, (height, width))
    return np.clip(np.round(gaussian_filter(levels, 0.8)), 0, 255).astype(np.uint8)
