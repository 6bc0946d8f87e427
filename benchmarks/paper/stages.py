"""Generated images at several FIDs of one run, as the paper's Fig. 9.

    python -m benchmarks.paper.stages runs/paper-512-projected-… --fid 250 90 35 -o paper-stages.png

A run keeps a grid of the same images with every quick FID: `train --score-every`.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from endotwin.files import whole_file
from endotwin.image_range import IMAGE_SIZE
from training.learning.run_folder import RunFolder
from training.scores.figures import figure_png

_SIDE = 4 * (IMAGE_SIZE + 2) - 2
"""Pixels of four images and the lines between them: what is shown of a grid."""


def choose_stages(scores: Mapping[int, float], targets: Sequence[float]) -> list[int]:
    """Return the images seen at which the FID was nearest to each target, and at which it was best.

    Args:
        scores: quick FID by images seen, at least one.
        targets: FIDs, highest first.

    Returns:
        Ascending, each once.
    """
    nearest = {min(scores, key=lambda seen: abs(np.log(scores[seen] / target))) for target in targets}
    return sorted(nearest | {min(scores, key=lambda seen: scores[seen])})


def stages_figure(grids: Sequence[tuple[np.ndarray, str]]) -> Figure:
    """Draw grids side by side, each with a line of text under it."""
    figure = Figure(figsize=(3.1 * len(grids), 3.5), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (grid, text) in zip(np.atleast_1d(figure.subplots(1, len(grids))), grids, strict=True):
        axes.imshow(grid, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        axes.set_xlabel(text)
        axes.set(xticks=[], yticks=[])
    return figure


def main() -> None:
    """Draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="run folder")
    parser.add_argument("--fid", type=float, nargs="+", default=[250.0, 90.0, 35.0], help="FIDs to show")
    parser.add_argument("-o", "--output", type=Path, required=True, help="PNG to write")
    arguments = parser.parse_args()
    records = RunFolder(arguments.run).read_statistics()
    grids = {int(path.stem): path for path in (arguments.run / "samples").glob("[0-9]*.png")}
    scores = {r["images"]: r["quick_fid"] for r in records if "quick_fid" in r and r["images"] in grids}
    if not scores:
        raise SystemExit(f"{arguments.run}: no grid of samples was scored; train with --score-every")
    shown = []
    for seen in choose_stages(scores, arguments.fid):
        with Image.open(grids[seen]) as grid:
            pixels = np.asarray(grid.convert("L").crop((0, 0, _SIDE, _SIDE)))
        shown.append((pixels, f"quick FID {scores[seen]:.0f}, {seen:,} images seen"))
    with whole_file(arguments.output) as file:
        file.write(figure_png(stages_figure(shown)))


if __name__ == "__main__":
    main()
