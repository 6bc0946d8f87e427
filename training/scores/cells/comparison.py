"""Compare the cells of generated and of real crops, found by one method, as distributions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from scipy.stats import wasserstein_distance

from endotwin.mosaic.labels import Label
from training.data.crops import draw_crops
from training.data.split import Dataset
from training.random_streams import Purpose, stream
from training.scores.cells.error import expert_error, label_error
from training.scores.cells.record import PER_PIXELS, CellComparison, CellStatistics, Distances
from training.scores.cells.segmentation import (
    WholeCells,
    area_quantiles,
    cells_from_image,
    join_cells,
    whole_cells,
)
from training.trial.annotated_images import AnnotatedImage

CROPS_PER_GROUP = 16
"""Crops whose cells make one density, CV and share of hexagons: together they hold some hundred cells."""

GROUPS = 100
"""Groups of each set, drawn with repetition."""

_AREA_PERCENTS = tuple(range(0, 101, 5))
_FEWEST_NEIGHBOURS, _MOST_NEIGHBOURS = 3, 9  # cells with fewer or more are counted with these

_METHOD = (
    "Size of the cells by the peak of the power spectrum, crop brought to one size of cells, dark ridges, "
    "watershed on them from the places furthest from ridges; no annotation, no trained network. Cells "
    "wholly inside their crop, weighted by one over the number of places at which they would be inside, so "
    "that large cells do not count too little. The pixel size is not known: density is cells per 10,000 "
    "pixels of cells."
)


def compare_cells(
    generated: np.ndarray,
    dataset: Dataset,
    *,
    seed: int = 0,
    experts: Sequence[AnnotatedImage] = (),
    labels: Sequence[Label] = (),
    workers: int = 1,
    progress: Callable[[int], object] | None = None,
) -> CellComparison:
    """Compare the cells of generated images with those of as many training and held-out crops.

    Args:
        generated: uint8 grey levels (n, 128, 128), n at least 1.
        dataset: the images the generator was trained on.
        seed: of the crops and of the groups, see `Purpose`.
        experts: images with expert borders, to measure the method's own error on.
        labels: of the first generated images, for the same purpose.
        workers: threads.
        progress: called with the number of images segmented, of n for each of three or four sets.
    """
    count = len(generated)
    sets = {
        "generated": generated,
        "training": draw_crops(dataset.training, count, stream(seed, Purpose.CELLS_TRAINING)),
        "training_again": draw_crops(dataset.training, count, stream(seed, Purpose.CELLS_TRAINING_AGAIN)),
    }
    if dataset.held_out:
        sets["held_out"] = draw_crops(dataset.held_out, count, stream(seed, Purpose.CELLS_HELD_OUT))
    found: dict[str, list[WholeCells]] = {}
    with ThreadPoolExecutor(workers) as pool:
        for name, images in sets.items():
            found[name] = list(_counted(pool.map(_cells_of, images), progress))
    groups = stream(seed, Purpose.CELL_GROUPS).integers(0, count, size=(GROUPS, CROPS_PER_GROUP))
    measured = {name: _statistics(cells, groups) for name, cells in found.items()}

    def apart(name: str) -> Distances:
        return _distances(found[name], found["training"], measured[name], measured["training"])

    return CellComparison(
        method=_METHOD,
        seed=seed,
        group=CROPS_PER_GROUP,
        generated=measured["generated"],
        training=measured["training"],
        training_again=measured["training_again"],
        held_out=measured.get("held_out"),
        generated_training=apart("generated"),
        training_training=apart("training_again"),
        held_out_training=apart("held_out") if "held_out" in found else None,
        expert_error=expert_error(experts) if experts else None,
        label_error=label_error(found["generated"][: len(labels)], labels) if labels else None,
    )


def _cells_of(image: np.ndarray) -> WholeCells:
    return whole_cells(cells_from_image(image))


def _counted(found: Iterator[WholeCells], progress: Callable[[int], object] | None) -> Iterator[WholeCells]:
    for cells in found:
        if progress is not None:
            progress(1)
        yield cells


def _statistics(found: Sequence[WholeCells], groups: np.ndarray) -> CellStatistics:
    """Pool the cells of crops; `groups` (g, k) holds which crops make each group."""
    cells = join_cells(found)
    measured = cells.measure()
    of_groups = [join_cells([found[k] for k in group]).measure() for group in groups]
    of_groups = [group for group in of_groups if group.count > 1]
    low, high = _FEWEST_NEIGHBOURS, _MOST_NEIGHBOURS
    share = np.bincount(np.clip(cells.neighbours, low, high), weights=cells.weights, minlength=high + 1)
    total = float(share.sum())
    return CellStatistics(
        crops=len(found),
        crops_without_cells=sum(len(each.areas) == 0 for each in found),
        cells=measured.count,
        density=measured.density(PER_PIXELS),
        cv=measured.cv,
        hexagonality=measured.hexagonality,
        area_quantiles=area_quantiles(cells, _AREA_PERCENTS),
        neighbours={str(k): round(float(share[k]) / total, 4) for k in range(low, high + 1)}
        if total
        else {},
        group_density=tuple(round(group.density(PER_PIXELS) or 0.0, 3) for group in of_groups),
        group_cv=tuple(round(group.cv or 0.0, 4) for group in of_groups),
        group_hexagonality=tuple(round(group.hexagonality or 0.0, 4) for group in of_groups),
    )


def _distances(
    cells: Sequence[WholeCells],
    reference: Sequence[WholeCells],
    measured: CellStatistics,
    reference_measured: CellStatistics,
) -> Distances:
    one, other = join_cells(cells), join_cells(reference)
    weights = one.weights, other.weights
    return Distances(
        area=_wasserstein(one.areas, other.areas, weights),
        neighbours=_wasserstein(one.neighbours, other.neighbours, weights),
        density=_wasserstein(measured.group_density, reference_measured.group_density),
        cv=_wasserstein(measured.group_cv, reference_measured.group_cv),
        hexagonality=_wasserstein(measured.group_hexagonality, reference_measured.group_hexagonality),
    )


def _wasserstein(
    one: Sequence[float] | np.ndarray,
    other: Sequence[float] | np.ndarray,
    weights: tuple[np.ndarray, np.ndarray] | tuple[None, None] = (None, None),
) -> float | None:
    if len(one) == 0 or len(other) == 0:
        return None
    return round(float(wasserstein_distance(one, other, *weights)), 5)
