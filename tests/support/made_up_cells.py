"""Mosaics of known cells, turned and disordered as real ones are, and their pictures."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree


def mosaic(
    seed: int,
    height: int,
    width: int,
    *,
    spacing: float = 20.0,
    jitter: float = 0.25,
    angle: float | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw the Voronoi cells of a turned, jittered hexagonal lattice.

    Args:
        seed: of everything random.
        height: in pixels.
        width: in pixels.
        spacing: of the lattice, in pixels.
        jitter: standard deviation of a site's displacement, in spacings; 0 makes equal hexagons.
        angle: of the lattice; random unless given.

    Returns:
        Picture, uint8 (height, width), and cells, int32 (height, width), numbered from 1.
    """
    rng = np.random.default_rng(seed)
    reach = int(np.hypot(height, width) / spacing) + 4
    rows, columns = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    sites = np.stack([rows * np.sqrt(0.75), columns + rows % 2 / 2], axis=-1).reshape(-1, 2) * spacing
    turn = rng.uniform(0, np.pi) if angle is None else angle
    sites = sites @ np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    sites += np.array([height, width]) / 2 + rng.uniform(0, spacing, 2)
    sites += rng.normal(0, jitter * spacing, sites.shape)
    distances, nearest = cKDTree(sites).query(np.stack(np.mgrid[:height, :width], axis=-1), k=2)
    border = np.exp(-(((distances[..., 1] - distances[..., 0]) / (0.15 * spacing)) ** 2))
    shade = rng.normal(0, 6, len(sites))[nearest[..., 0]]
    levels = gaussian_filter(130 + shade - 40 * border, 0.8) + rng.normal(0, 3, border.shape)
    cells = np.unique(nearest[..., 0], return_inverse=True)[1].reshape(height, width) + 1
    return levels.clip(0, 255).astype(np.uint8), cells.astype(np.int32)


def picture(seed: int, height: int = 128, width: int = 128) -> np.ndarray:
    """Return the picture alone of a mosaic with cells of a size of its own, uint8 (height, width)."""
    return mosaic(seed, height, width, spacing=float(np.random.default_rng([seed, 1]).uniform(16, 24)))[0]
