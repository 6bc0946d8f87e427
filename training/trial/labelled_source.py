"""What this package needs of a maker of labelled synthetic images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

BLOCK = 16
"""Images in a block."""


class LabelledSource(Protocol):
    """Labelled images in blocks of 16; the same block index gives the same block, whatever came before."""

    def batch(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Return block `index` (0 or more): images and borders, both uint8 (16, 128, 128).

        Borders are 255 on lines one pixel wide and 0 elsewhere; the whole image is labelled.
        """


@dataclass(frozen=True)
class NamedSource:
    """A labelled source, and the name its results are kept and shown by (letters, digits, hyphens)."""

    name: str
    images: LabelledSource
