"""Made-up images for tests: blobs on noise, and images of one grey level each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from training.data.split import Dataset, GreyImage, ImageFolder, load_dataset

SIZE = 160


def blobs(seed: int, height: int = SIZE, width: int = SIZE) -> np.ndarray:
    """Return uint8 noise with smooth bright blobs, (height, width)."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    image = rng.normal(90, 12, (height, width))
    for row, column, strength in rng.random((20, 3)):
        distance = np.hypot(y - row * height, x - column * width)
        image += 90 * strength * np.exp(-((distance / 12) ** 2))
    return image.clip(0, 255).astype(np.uint8)


def level(grey: int, height: int = SIZE, width: int = SIZE) -> np.ndarray:
    """Return an image of one grey level, by which every crop of it can be recognised."""
    return np.full((height, width), grey, dtype=np.uint8)


def write(folder: Path, name: str, pixels: np.ndarray) -> Path:
    """Write pixels as an image file into a folder, which is made; returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(folder / name)
    return folder / name


def write_blobs(folder: Path, count: int = 5) -> Path:
    """Write `count` images of blobs into a folder and return it."""
    for k in range(count):
        write(folder, f"blobs-{k}.png", blobs(k))
    return folder


def load_folders(*folders: Path | ImageFolder, share: float = 0.2, split_seed: int = 0) -> Dataset:
    """Load a data set from folders."""
    given = [folder if isinstance(folder, ImageFolder) else ImageFolder(folder) for folder in folders]
    return load_dataset(given, validation_share=share, split_seed=split_seed)


def levels(images: list[GreyImage]) -> set[int]:
    """Return the grey levels of images that have one each."""
    return {int(image.pixels[0, 0]) for image in images}
