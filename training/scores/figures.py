"""Figures of a run and of a report: FID and losses over images seen, power spectra, images with labels."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from endotwin.files import whole_file
from endotwin.generator.card import FidRecord, ImageStatistics
from endotwin.mosaic.labels import Label
from endotwin.samples.grid import draw_grid

PAPER_FID = 35.0
"""The paper's best, 3,000 generated images against 3,000 of its own crops."""

_DPI = 130
_LABEL_COLUMNS = 8
_LABEL_ZOOM = 2
_BORDER_COLOUR = (255, 70, 70)
_GUTTA_COLOUR = (60, 90, 255)
_GUTTA_SHARE = 0.35
_NOT_LOSSES = {"images", "epoch", "seconds", "session_seconds", "quick_fid"}


def draw_run_figures(
    folder: Path, records: Sequence[Mapping[str, Any]], recorded: FidRecord | None = None
) -> None:
    """Draw what a run's statistics hold: `fid.png` and `losses.png`, each if there is something.

    Args:
        folder: where the figures go.
        records: the lines of the run's statistics.
        recorded: the recorded score of the run's end and its floor, drawn with the FID.
    """
    if any("quick_fid" in record for record in records):
        plot_fid(records, folder / "fid.png", recorded=recorded)
    if any(name not in _NOT_LOSSES for record in records for name in record):
        plot_losses(records, folder / "losses.png")


def plot_fid(
    records: Sequence[Mapping[str, Any]], path: Path, *, recorded: FidRecord | None = None
) -> None:
    """Write a `fid_figure` as a PNG, whole or not at all.

    Raises:
        ValueError: no record holds a quick score.
    """
    _save(fid_figure(records, recorded=recorded), path)


def fid_figure(
    records: Sequence[Mapping[str, Any]], *, recorded: FidRecord | None = None, end: int | None = None
) -> Figure:
    """Draw FID over images seen (below) and epochs (above), as the paper's Fig. 10.

    The quick scores of a run are a curve, the recorded score is a star: FID falls with the count, so the
    star does not lie on the curve.

    Args:
        records: lines of a run's statistics; those with `images` and `quick_fid` are drawn, those with
            `images` and `epoch` say how many images an epoch has.
        recorded: the recorded score of the run's end, and its floor.
        end: images seen when that was recorded; None for the last record.

    Raises:
        ValueError: no record holds a quick score.
    """
    points = [(record["images"], record["quick_fid"]) for record in records if "quick_fid" in record]
    if not points:
        raise ValueError("no quick FID in the statistics to draw")
    seen = [images for images, _ in points]
    figure = Figure(figsize=(7.5, 4.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.plot(
        seen, [fid for _, fid in points], "o-", ms=3.5, label="quick FID (few images, reads too high)"
    )
    if recorded is not None:
        final, floor = recorded.generated_training, recorded.real_real
        counts = f"{final.first_count:,} / {final.second_count:,} images"
        seen_at_end = max(record["images"] for record in records) if end is None else end
        axes.plot(
            [seen_at_end],
            [final.fid],
            "*",
            ms=13,
            color="C3",
            label=f"recorded, {final.fid:.1f} ({counts})",
        )
        axes.axhline(floor.fid, ls="--", color="C2", label=f"real against real, {floor.fid:.1f} ({counts})")
    axes.axhline(PAPER_FID, ls=":", color="0.35", label=f"the paper, {PAPER_FID:g} (3,000 / 3,000 images)")
    axes.set(xlabel="images seen", ylabel="FID (lower is better)", yscale="log")
    axes.set_xlim(left=0)
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("{x:g}")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.grid(which="both", alpha=0.25)
    per_epoch = next((r["images"] / r["epoch"] for r in reversed(records) if r.get("epoch")), None)
    if per_epoch is not None:
        epochs = axes.secondary_xaxis(
            "top",
            functions=(
                lambda images: np.asarray(images, dtype=float) / per_epoch,
                lambda epochs: np.asarray(epochs, dtype=float) * per_epoch,
            ),
        )
        epochs.set_xlabel("epochs")
    axes.legend(fontsize=8)
    return figure


def plot_losses(records: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw every loss of a run over images seen, one panel each, into a PNG.

    Args:
        records: lines of a run's statistics; whatever is neither a count, a time nor a score is a loss.
        path: the PNG; appears whole or not at all.

    Raises:
        ValueError: no record holds a loss.
    """
    names = list(dict.fromkeys(name for record in records for name in record if name not in _NOT_LOSSES))
    if not names:
        raise ValueError(f"{path}: no losses in the statistics to draw")
    figure = Figure(figsize=(7.0, 1.0 + 1.6 * len(names)), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(names), sharex=True, squeeze=False)[:, 0]
    for axes, name in zip(panels, names, strict=True):
        points = [(record["images"], record[name]) for record in records if name in record]
        axes.plot(*zip(*points, strict=True), lw=1)
        axes.set_ylabel(name.replace("_", " "))
        axes.grid(alpha=0.25)
    panels[-1].set_xlabel("images seen")
    panels[-1].xaxis.set_major_formatter("{x:,.0f}")
    _save(figure, path)


def spectra_figure(statistics: ImageStatistics) -> Figure:
    """Draw the power spectra of generated images and real crops, one panel each way.

    Args:
        statistics: from `image_statistics`.
    """
    figure = Figure(figsize=(11.0, 3.8), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, 3, sharey=True)
    for axes, name in zip(panels, statistics.real_spectrum, strict=True):
        for label, spectrum in (
            ("real", statistics.real_spectrum[name]),
            ("generated", statistics.generated_spectrum[name]),
        ):
            axes.plot(range(1, len(spectrum) + 1), spectrum, label=label, lw=1.4)
        axes.set(title=name, xlabel="cycles per image", xscale="log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.set_xticks([1, 2, 4, 8, 16, 32, 64], minor=False)
        axes.minorticks_off()
        axes.grid(alpha=0.25)
    panels[0].set_ylabel("power, decades")
    panels[0].legend()
    figure.suptitle(
        f"{statistics.count:,} images each; mean |correlation| of different images: "
        f"generated {statistics.generated_correlation:.4f}, real {statistics.real_correlation:.4f}",
        fontsize=10,
    )
    return figure


def draw_label_sheet(
    images: np.ndarray, labels: Sequence[Label], columns: int = _LABEL_COLUMNS
) -> Image.Image:
    """Lay out images in rows, below each row the same images with borders in red and guttae in blue.

    Args:
        images: uint8 grey levels (n, H, W), n at least 1.
        labels: one for each image.
        columns: images per row.
    """
    tiles = [_plain_and_marked(image, label) for image, label in zip(images, labels, strict=True)]
    columns = min(columns, len(tiles))
    blank = np.full_like(tiles[0][0], 255)
    shown: list[np.ndarray] = []
    for start in range(0, len(tiles), columns):
        row = tiles[start : start + columns]
        missing = [blank] * (columns - len(row))
        shown += [*(plain for plain, _ in row), *missing, *(marked for _, marked in row), *missing]
    return draw_grid(shown, columns)


def _plain_and_marked(image: np.ndarray, label: Label) -> tuple[np.ndarray, np.ndarray]:
    """Return the image and the image under its label, enlarged."""
    plain = np.repeat(image[..., None], 3, axis=2)
    marked = plain.astype(np.float64)
    marked[label.guttae > 0] += _GUTTA_SHARE * (np.array(_GUTTA_COLOUR) - marked[label.guttae > 0])
    marked[label.borders > 0] = _BORDER_COLOUR
    return _enlarged(plain), _enlarged(marked.astype(np.uint8))


def _enlarged(tile: np.ndarray) -> np.ndarray:
    return tile.repeat(_LABEL_ZOOM, axis=0).repeat(_LABEL_ZOOM, axis=1)


def figure_png(figure: Figure) -> bytes:
    """Return a figure as the bytes of a PNG."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DPI)
    return buffer.getvalue()


def image_png(image: Image.Image) -> bytes:
    """Return a picture as the bytes of a PNG."""
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def _save(figure: Figure, path: Path) -> None:
    with whole_file(path) as file:
        figure.savefig(file, format="png", dpi=_DPI)
