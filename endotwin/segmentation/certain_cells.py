"""How certain the borders of cells are, which cells the edge cuts, and how many neighbours each has."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from endotwin.segmentation.cells import shared_sides


def border_certainty(cells: np.ndarray, probability: np.ndarray) -> np.ndarray:
    """Return the probability of a border around each cell less that inside it.

    Args:
        cells: int (H, W), every pixel in a cell numbered from 1.
        probability: float (H, W), of a border.

    Returns:
        float64, by number of the cell, from 0 on.
    """
    count = int(cells.max()) + 1
    edge = edge_pixels(cells)
    around, inside = (
        np.bincount(cells[part], weights=probability[part], minlength=count)
        / np.maximum(np.bincount(cells[part], minlength=count), 1)
        for part in (edge, ~ndimage.binary_dilation(edge))
    )
    return np.asarray(around - inside)


def cut_by_edge(cells: np.ndarray) -> np.ndarray:
    """Return which cells touch the edge of the image, bool, by number from 0 on."""
    cut = np.zeros(int(cells.max()) + 1, dtype=bool)
    cut[np.concatenate([cells[0], cells[-1], cells[:, 0], cells[:, -1]])] = True
    return cut


def count_neighbours(cells: np.ndarray, shared: int) -> np.ndarray:
    """Return the number of neighbours of each cell, int64, by number from 0 on.

    Args:
        cells: int (H, W).
        shared: sides of pixels that two neighbours have in common at least.
    """
    found, sides = shared_sides(cells)
    return np.bincount(found[sides >= shared].ravel(), minlength=int(cells.max()) + 1)


def weights_of_whole(cells: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Return how much each whole cell counts: one over the number of places at which it would be whole.

    Large cells are cut by the edge of the image more often than small ones; so weighted, the whole ones
    stand for all (Miles and Lantuéjoul).

    Args:
        cells: int (H, W), numbered from 1.
        whole: bool, by number from 0 on: which are whole.

    Returns:
        float64, one for each whole cell.
    """
    boxes = ndimage.find_objects(cells)
    height, width = cells.shape
    places = [
        (height - 1 - (box[0].stop - box[0].start)) * (width - 1 - (box[1].stop - box[1].start))
        for box in (boxes[number - 1] for number in np.flatnonzero(whole))
    ]
    return 1.0 / np.array(places, dtype=np.float64)


def edge_pixels(cells: np.ndarray) -> np.ndarray:
    """Return the pixels that have a neighbour in another cell, bool (H, W)."""
    edge = np.zeros(cells.shape, dtype=bool)
    down, across = cells[1:] != cells[:-1], cells[:, 1:] != cells[:, :-1]
    edge[1:] |= down
    edge[:-1] |= down
    edge[:, 1:] |= across
    edge[:, :-1] |= across
    return edge
