"""Blind tests for tests: drawn "real" images with the marks of 8-bit files, and sets built of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from endotwin.generator.checkpoint import load_checkpoint
from training.blind_test.blind_set import AnswerKey, BlindTestPlan
from training.blind_test.build import build_blind_test
from training.data.split import Dataset, ImageFolder, load_dataset


def draw_photograph(seed: int, height: int = 150, width: int = 160) -> np.ndarray:
    """Return smooth uint8 levels, stretched: they saturate at 255, and three of four levels are missing."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    image = rng.normal(0, 4, (height, width))
    for row, column, strength in rng.random((20, 3)):
        image += 30 * strength * np.exp(-((np.hypot(y - row * height, x - column * width) / 12) ** 2))
    return (np.round(image) * 4 + 150).clip(0, 255).astype(np.uint8)


def drawn_dataset(folder: Path, images: int = 6) -> Dataset:
    """Write drawn photographs into a folder and read them as a data set; one of five is held out."""
    folder.mkdir(parents=True, exist_ok=True)
    for k in range(images):
        Image.fromarray(draw_photograph(k)).save(folder / f"{k}.png")
    return load_dataset([ImageFolder(folder)])


def build_set(checkpoint: Path, folder: Path, generated: int, real: int, seed: int = 0) -> AnswerKey:
    """Build a blind test of a checkpoint and drawn photographs into `folder / "set"`."""
    return build_blind_test(
        load_checkpoint(checkpoint),
        drawn_dataset(folder / "photographs"),
        folder / "set",
        BlindTestPlan(generated=generated, real=real, seed=seed),
    )
