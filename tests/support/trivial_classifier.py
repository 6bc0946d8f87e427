"""A classifier that looks at nothing but a file: size, times, name, chunks, place, and its grey range."""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.optimize import minimize
from scipy.special import expit


def attributes(folder: Path, names: Sequence[str]) -> np.ndarray:
    """Return numbers for each image of a folder by name without .png: shape (n, attributes)."""
    as_listed = [entry.name for entry in os.scandir(folder)]
    rows = []
    for name in names:
        path = folder / f"{name}.png"
        stat, data = path.stat(), path.read_bytes()
        with Image.open(path) as image:
            pixels = np.asarray(image)
            header = [len(image.getbands()), *image.size, len(image.info)]
        low, high = int(pixels.min()), int(pixels.max())
        ends = [int((pixels == low).sum()), int((pixels == high).sum())]
        levels = np.unique(pixels)
        largest_gap = int(np.diff(levels).max(initial=0))
        row = [
            stat.st_size,
            stat.st_mtime_ns,
            stat.st_mode,
            as_listed.index(path.name),
            sorted(names).index(name),
        ]
        row += [*path.stem.encode()[:16].ljust(16), *_chunks(data), *header]
        rows.append([*row, low, high, len(levels), largest_gap, *ends])
    return np.array(rows, dtype=np.float64)


def accuracies(features: np.ndarray, classes: np.ndarray, rng: np.random.Generator) -> dict[str, float]:
    """Train a stump and a logistic regression on one half, and return their accuracies on the other."""
    order = rng.permutation(len(classes))
    train, test = order[: len(order) // 2], order[len(order) // 2 :]
    spread = features[train].std(axis=0)
    scaled = (features - features[train].mean(axis=0)) / np.where(spread > 0, spread, 1)
    return {
        "stump": _stump(scaled[train], classes[train], scaled[test], classes[test]),
        "logistic": _logistic(scaled[train], classes[train], scaled[test], classes[test]),
    }


def _chunks(data: bytes) -> list[int]:
    """Return number and total length of a PNG's chunks, and the first bytes of its pixel data."""
    place, lengths = 8, []
    while place < len(data):
        (length,) = struct.unpack(">I", data[place : place + 4])
        lengths.append(length)
        place += 12 + length
    first = data.index(b"IDAT") + 4
    return [len(lengths), sum(lengths), *data[first : first + 2]]


def _stump(x: np.ndarray, y: np.ndarray, x_test: np.ndarray, y_test: np.ndarray) -> float:
    best = (0.0, 0, 0.0, True)
    for k in range(x.shape[1]):
        for threshold in np.unique(x[:, k]):
            share = float(np.mean((x[:, k] >= threshold) == y))
            best = max(best, (share, k, float(threshold), True), (1 - share, k, float(threshold), False))
    _, k, threshold, above = best
    return float(np.mean(((x_test[:, k] >= threshold) == above) == y_test))


def _logistic(x: np.ndarray, y: np.ndarray, x_test: np.ndarray, y_test: np.ndarray) -> float:
    x, x_test = (np.column_stack([part, np.ones(len(part))]) for part in (x, x_test))
    signs = np.where(y, 1.0, -1.0)

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        margins = signs * (x @ weights)
        gradient = -(x.T @ (signs * expit(-margins))) / len(x) + 1e-3 * weights
        return float(np.logaddexp(0, -margins).mean() + 5e-4 * weights @ weights), gradient

    weights = minimize(loss, np.zeros(x.shape[1]), jac=True).x
    return float(np.mean((x_test @ weights >= 0) == y_test))
