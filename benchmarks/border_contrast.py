"""Where borders stand out: on real images where experts drew them, and on images of a labelled model.

python -m benchmarks.border_contrast --data ../shared/data
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import distance_transform_edt

import endotwin
from endotwin.mosaic.clarity import INSIDE, ON_BORDER
from endotwin.mosaic.contrast import borders_stand_out
from training.learning.visibility import EXPERTS

_CLARITIES = (2, 5, 8, 10, 12, 15, 20, 25)
_IMAGES = 24
_GAP = 3.0
"""Pixels at most between the cells of an area that was drawn."""


def _read(path: Path) -> np.ndarray:
    with Image.open(path) as file:
        return np.asarray(file) if file.mode.startswith("I") else np.asarray(file.convert("L"))


def share_where_drawn(folder: Path) -> float:
    """Return the share of the area that experts drew in which borders stand out."""
    found, pixels = 0, 0
    for path in sorted((folder / "images").glob("*.png")):
        drawn, cells = folder / "borders" / path.name, folder / "cells" / path.name
        if not (drawn.is_file() and cells.is_file()):
            continue
        instances = _read(cells)
        sizes = np.bincount(instances[instances > 0])
        border = distance_transform_edt(_read(drawn) == 0)
        area = distance_transform_edt(instances == 0) <= _GAP
        stands_out = borders_stand_out(
            _read(path),
            (border <= ON_BORDER) & area,
            (border >= INSIDE) & area,
            float(sizes[sizes > 0].mean()),
        )
        found += int(stands_out[area].sum())
        pixels += int(area.sum())
    return found / pixels


def visible_share(clarity: float) -> float:
    """Return the median share of what guttae leave free that the label `visible` has."""
    images = endotwin.load("labelled").samples(
        seed=5, count=_IMAGES, labels="guttae,visible", clarity=clarity
    )
    return float(np.median([(s.labels["visible"] > 0)[s.labels["guttae"] == 0].mean() for s in images]))


def main() -> None:
    """Print two Markdown tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with gavet, cwru, …")
    arguments = parser.parse_args()
    print("| drawn by experts | borders stand out |\n|---|---|")
    shares = {source: share_where_drawn(arguments.data / source) for source in EXPERTS}
    for source, share in shares.items():
        print(f"| {source} | {share:.1%} |")
    print("\n| clarity | visible |\n|---|---|")
    for clarity in _CLARITIES:
        print(f"| {clarity} | {visible_share(clarity):.0%} |")


if __name__ == "__main__":
    main()
