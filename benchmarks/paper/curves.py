"""FID over epochs of several runs in one figure, as the paper's Fig. 10.

    python -m benchmarks.paper.curves runs/paper-512-paper-… runs/paper-512-projected-… -o paper-fid.png

Quick FIDs of a run are of a few hundred images: they are compared with each other, never with a record.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from endotwin.files import whole_file
from training.learning.run_folder import RunFolder
from training.scores.figures import PAPER_FID, figure_png


def curves_figure(runs: dict[str, list[tuple[float, float]]]) -> Figure:
    """Draw (epochs, quick FID) of each run by name."""
    figure = Figure(figsize=(7.5, 4.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for name, points in runs.items():
        axes.plot(*zip(*points, strict=True), "o-", ms=3.5, label=name)
    axes.axhline(PAPER_FID, ls=":", color="0.35", label=f"the paper's best, {PAPER_FID:g} (3,000 images)")
    axes.set(xlabel="epochs", ylabel="quick FID (lower is better)", yscale="log")
    axes.set_xlim(left=0)
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("{x:g}")
    axes.grid(which="both", alpha=0.25)
    axes.legend(fontsize=8)
    return figure


def read_points(run: Path) -> list[tuple[float, float]]:
    """Return the epochs and quick FIDs of a run.

    Raises:
        SystemExit: there is none.
    """
    records = RunFolder(run).read_statistics()
    per_epoch = next((r["images"] / r["epoch"] for r in reversed(records) if r.get("epoch")), None)
    points = [
        (r["images"] / per_epoch, r["quick_fid"])
        for r in records
        if per_epoch is not None and "quick_fid" in r
    ]
    if not points:
        raise SystemExit(f"{run}: no quick FID in its statistics; train with --score-every")
    return points


def main() -> None:
    """Draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path, help="run folders")
    parser.add_argument("-o", "--output", type=Path, required=True, help="PNG to write")
    arguments = parser.parse_args()
    names = {run: RunFolder(run).read_settings() for run in arguments.runs}
    figure = curves_figure(
        {f"{settings.name}, recipe {settings.recipe}": read_points(run) for run, settings in names.items()}
    )
    with whole_file(arguments.output) as file:
        file.write(figure_png(figure))


if __name__ == "__main__":
    main()
