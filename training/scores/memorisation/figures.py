"""Figures of memorisation, as PNGs. Only `draw_pairs` shows real images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from endotwin.image_range import IMAGE_SIZE
from training.data.split import Dataset
from training.scores.figures import figure_png
from training.scores.memorisation.measurement import COPY
from training.scores.memorisation.nearest_crop import MIRRORINGS, mirrored
from training.scores.memorisation.record import Memorisation, NearestPair

_COLUMNS = 5


def plot_similarities(result: Memorisation) -> bytes:
    """Draw the distributions of the similarities to the nearest crops; shows no image."""
    figure = Figure(figsize=(7.5, 4.0), layout="constrained")
    axes = figure.subplots()
    for name, found, style in (
        ("held-out crops, nearest training crop", result.control, {"color": "C2", "lw": 2.0}),
        ("generated images, nearest training crop", result.generated_training, {"color": "C3"}),
        (
            "generated images, nearest held-out crop",
            result.generated_held_out,
            {"color": "0.5", "ls": "--"},
        ),
    ):
        edges = np.linspace(0.0, 1.0, len(found.histogram) + 1)
        axes.stairs(np.array(found.histogram) / found.count, edges, label=name, **style)
    axes.axvline(
        result.threshold, color="C2", ls=":", label=f"nearest held-out crop, {result.threshold:.2f}"
    )
    axes.axvspan(max(COPY, result.threshold), 1.0, color="C3", alpha=0.12, label="copies")
    axes.set(xlabel="similarity, 1 for a copy", ylabel="share of the images", xlim=(0.0, 1.0))
    axes.grid(alpha=0.25)
    axes.legend(fontsize=8)
    return figure_png(figure)


def draw_nearest(generated: np.ndarray, result: Memorisation) -> bytes:
    """Draw the generated images that are nearest to a training crop, without the crops.

    Args:
        generated: those that were measured, uint8 (n, 128, 128).
        result: what was found.
    """
    pictures = [generated[pair.index] for pair in result.nearest]
    captions = [_caption(pair) for pair in result.nearest]
    return _sheet(pictures, captions, "generated images nearest to a training crop")


def draw_pairs(generated: np.ndarray, dataset: Dataset, result: Memorisation) -> bytes:
    """Draw the nearest pairs: generated on the left, its nearest training crop on the right.

    CONTAINS REAL IMAGES, as its title says: only for persons who may see the training images.

    Args:
        generated: those that were measured, uint8 (n, 128, 128).
        dataset: the one that was measured.
        result: what was found.
    """
    gap = np.full((IMAGE_SIZE, 4), 255, dtype=np.uint8)
    pictures = [
        np.concatenate([generated[pair.index], gap, training_crop(dataset, pair)], axis=1)
        for pair in result.nearest
    ]
    captions = [f"{_caption(pair)}\n{dataset.training[pair.image].file}" for pair in result.nearest]
    return _sheet(
        pictures, captions, "left: generated. Right: REAL training crop, not to be passed on", width=2
    )


def training_crop(dataset: Dataset, pair: NearestPair) -> np.ndarray:
    """Return the training crop of a pair, mirrored to look like the generated image: uint8 (128, 128)."""
    pixels = dataset.training[pair.image].pixels
    crop = pixels[pair.top : pair.top + IMAGE_SIZE, pair.left : pair.left + IMAGE_SIZE]
    return mirrored(crop, MIRRORINGS.index(pair.mirrored))


def _caption(pair: NearestPair) -> str:
    return (
        f"image {pair.index}: {pair.similarity:.2f} to {pair.source},\n"
        f"{pair.held_out_similarity:.2f} to held-out images"
    )


def _sheet(pictures: Sequence[np.ndarray], captions: Sequence[str], title: str, width: int = 1) -> bytes:
    rows = -(-len(pictures) // _COLUMNS)
    figure = Figure(figsize=(_COLUMNS * 2.1 * width, rows * 2.7 + 0.4), layout="constrained")
    panels = figure.subplots(rows, _COLUMNS, squeeze=False).ravel()
    for axes in panels:
        axes.axis("off")
    for axes, picture, caption in zip(panels, pictures, captions, strict=False):
        axes.imshow(picture, cmap="gray", vmin=0, vmax=255)
        axes.set_title(caption, fontsize=8)
    figure.suptitle(title, fontsize=10)
    return figure_png(figure)
