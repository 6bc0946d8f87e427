"""Folders of made-up images to adapt to, and the command that does so."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from made_up_images import write
from made_up_mosaics import hexagon_sites, lines_between, nearest_site
from scipy import ndimage

CELL_AREA = 20 * 20 * 3**0.5 / 2
"""Mean area of the cells of `write_mosaics`, square pixels."""


def write_mosaics(folder: Path, count: int, height: int = 190, width: int = 230) -> Path:
    """Write pictures of made-up cells, named as a clinic might, and return the folder."""
    for k in range(count):
        rng = np.random.default_rng(k)
        sites = hexagon_sites(20, height, width)
        # Irregular, since images of one lattice show each other's places.
        lines = lines_between(nearest_site(sites + rng.normal(0, 5, sites.shape), height, width))
        picture = 130 - 100 * ndimage.gaussian_filter(lines.astype(float), 1.2)
        picture += rng.normal(0, 4, picture.shape)
        write(folder, f"DOE^JANE {k}.png", picture.clip(0, 255).astype(np.uint8))
    return folder


def adapt_arguments(images: Path, output: Path, start: Path, *more: object) -> list[str]:
    """Return the arguments of the shortest adaptation."""
    words: list[object] = ["adapt", images, "-o", output, "--start-from", start, "--no-score"]
    return [str(word) for word in [*words, "--device", "cpu", "--hours", "0.0005", *more]]


def adapt_program(arguments: list[str]) -> list[str]:
    """Return the command line of a process that runs a command."""
    return [sys.executable, "-m", "training", *arguments]
