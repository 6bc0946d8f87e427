"""Cell mosaics made up for tests: dark blurred borders on bright noisy cells, with their labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage
from scipy.spatial import cKDTree


def hexagon_sites(spacing: float, height: int, width: int) -> np.ndarray:
    """Return the sites (row, column) of a hexagonal lattice that covers an image and goes beyond it."""
    rows = np.arange(-2 * spacing, height + 2 * spacing, spacing * np.sqrt(3) / 2)
    columns = np.arange(-2 * spacing, width + 2 * spacing, spacing)
    return np.array(
        [(row, column + spacing / 2 * (k % 2)) for k, row in enumerate(rows) for column in columns]
    )


def nearest_site(sites: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return for every pixel the index of its nearest site, int (height, width): the Voronoi cells."""
    places = np.stack(np.mgrid[:height, :width], axis=-1).reshape(-1, 2)
    return np.asarray(cKDTree(sites).query(places)[1]).reshape(height, width)


def lines_between(labels: np.ndarray) -> np.ndarray:
    """Return lines about one pixel wide where labels change, bool (H, W)."""
    lines = np.zeros(labels.shape, dtype=bool)
    lines[:-1] |= labels[:-1] != labels[1:]
    lines[:, :-1] |= labels[:, :-1] != labels[:, 1:]
    return lines


def mosaic(seed: int, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Return Voronoi cells of a jittered lattice, int (H, W), and their picture, uint8 (H, W)."""
    rng = np.random.default_rng(seed)
    sites = hexagon_sites(20, height, width)
    labels = nearest_site(sites + rng.normal(0, 2.5, sites.shape), height, width)
    dark = ndimage.gaussian_filter(lines_between(labels).astype(float), 1.2)
    picture = 150 - 220 * dark + rng.normal(0, 8, labels.shape)
    return labels, picture.clip(0, 255).astype(np.uint8)


class VoronoiBlocks:
    """Labelled images of made-up mosaics; counts the blocks that were asked for."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def block(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        self.asked.append(index)
        made = [mosaic(16 * index + k, 128, 128) for k in range(16)]
        borders = [lines_between(labels).astype(np.uint8) * 255 for labels, _ in made]
        return np.stack([picture for _, picture in made]), np.stack(borders)


def write_annotated(folder: Path, seeds: range, height: int = 150, width: int = 170) -> Path:
    """Write made-up annotated images, `0.png`, `1.png`, … for seeds 0, 1, …; returns the folder."""
    for part in ("images", "borders", "cells"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        labels, picture = mosaic(seed, height, width)
        lines = lines_between(labels)
        cut = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
        cells = np.where(lines | np.isin(labels, cut), 0, labels + 1).astype(np.uint16)
        Image.fromarray(picture).save(folder / "images" / f"{seed}.png")
        Image.fromarray(lines.astype(np.uint8) * 255).save(folder / "borders" / f"{seed}.png")
        Image.fromarray(cells).save(folder / "cells" / f"{seed}.png")
    return folder


def write_counted(folder: Path, seeds: range, height: int = 150, width: int = 170) -> Path:
    """Write made-up images and the centres of the cells that no edge cuts; returns the folder."""
    for part in ("images", "centres"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        labels, picture = mosaic(seed, height, width)
        cut = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
        whole = np.setdiff1d(labels, cut)
        rows, columns = np.array(ndimage.center_of_mass(np.ones_like(labels), labels, whole)).T
        lines = [f"{column:.1f},{row:.1f}" for row, column in zip(rows, columns, strict=True)]
        Image.fromarray(picture).save(folder / "images" / f"{seed}.png")
        (folder / "centres" / f"{seed}.csv").write_text("\n".join(["x,y", *lines]) + "\n")
    return folder
