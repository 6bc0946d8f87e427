"""Labels drawn over an image, in colours."""

from __future__ import annotations

import colorsys
from collections.abc import Mapping

import numpy as np

_TINTS: dict[str, tuple[tuple[int, int, int], float]] = {
    "guttae": ((60, 130, 255), 0.45),
    "soft": ((255, 170, 0), 0.7),
    "borders": ((255, 60, 60), 0.75),
}
"""Colour and strength of each label but the cells, in the order of drawing."""

_CELL_STRENGTH = 0.35
_HIDDEN_STRENGTH = 0.6
_GOLDEN_RATIO = 0.6180339887498949  # neighbouring numbers get hues far apart


def draw_labels(image: np.ndarray, labels: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return an image with labels over it, uint8 (H, W, 3).

    Cells are tinted, each in a colour of its own; over them guttae blue, soft borders orange, borders red.
    What is not visible is dimmed.

    Args:
        image: uint8 grey levels (H, W).
        labels: of `endotwin.samples.labelling.IMAGE_LABELS`, by name, each (H, W).
    """
    drawn = np.repeat(image[:, :, None], 3, axis=2).astype(float)
    if "visible" in labels:
        _tint(drawn, np.zeros(3), np.where(labels["visible"] > 0, 0.0, _HIDDEN_STRENGTH))
    if "instances" in labels:
        cells = labels["instances"].astype(int)
        colours = _cell_colours(int(cells.max(initial=0)))
        _tint(drawn, colours[cells], np.where(cells > 0, _CELL_STRENGTH, 0.0))
    for name, (colour, strength) in _TINTS.items():
        if name in labels:
            _tint(drawn, np.array(colour, dtype=float), strength * labels[name] / 255)
    return np.round(drawn).astype(np.uint8)


def _tint(drawn: np.ndarray, colours: np.ndarray, strengths: np.ndarray) -> None:
    drawn += (colours - drawn) * strengths[:, :, None]


def _cell_colours(count: int) -> np.ndarray:
    """Return colours (count + 1, 3) from 0 to 255, by the number of a cell: any but the blue of guttae."""
    hues = [(0.75 + 0.75 * (number * _GOLDEN_RATIO % 1)) % 1 for number in range(count + 1)]
    return 255 * np.array([colorsys.hsv_to_rgb(hue, 0.85, 1.0) for hue in hues])
