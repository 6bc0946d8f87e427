"""KID, precision, recall, density and coverage of two sets of Inception features.

FID is in `training.scores.fid`. Of the packages that have these scores, `prdc` has not been maintained
since 2020 and holds all distances at once, and torch-fidelity 0.4 installs a top-level package `tests`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

KID_SUBSETS = 20
KID_SUBSET_SIZE = 1_000
"""Images of a subset; all of them where there are fewer."""

PRECISION_NEIGHBOURS = 3
"""As in Kynkäänniemi et al. 2019."""

DENSITY_NEIGHBOURS = 5
"""As in Naeem et al. 2020."""

NEIGHBOURHOOD_MINIMUM = DENSITY_NEIGHBOURS + 1
"""Fewer images have no neighbourhood."""

_ROWS = 1_000
"""Rows of distances that are held at once."""


class Kid(NamedTuple):
    """Kernel Inception distance: mean and population standard deviation over the subsets."""

    mean: float
    subset_deviation: float


class Neighbourhoods(NamedTuple):
    """Which members of two sets lie near members of the other one.

    The neighbourhood of a member reaches to its k-th nearest in its own set: k = 3 for precision and
    recall (Kynkäänniemi et al. 2019), k = 5 for density and coverage (Naeem et al. 2020).

    Attributes:
        precision: share of the first that lies in a neighbourhood of the second.
        recall: share of the second that lies in a neighbourhood of the first.
        density: in how many neighbourhoods of the second a member of the first lies, mean, divided by k:
            about 1 for sets of one distribution, above 1 where the first is concentrated in dense places.
        coverage: share of the neighbourhoods of the second that hold a member of the first.
    """

    precision: float
    recall: float
    density: float
    coverage: float


def kid(first: np.ndarray, second: np.ndarray) -> Kid:
    """Return the unbiased squared MMD with the kernel (x·y / d + 1)³ (Bińkowski et al. 2018).

    Subsets are drawn with a fixed seed, each without repetition. Where each would be all of both sets, it
    is measured once.

    Args:
        first: (N, d) features, N at least 2.
        second: (M, d) features, M at least 2.
    """
    size = min(KID_SUBSET_SIZE, len(first), len(second))
    if size == len(first) == len(second):
        return Kid(_squared_mmd(first.astype(np.float64), second.astype(np.float64)), 0.0)
    rng = np.random.default_rng(0)
    found = [
        _squared_mmd(
            first[rng.choice(len(first), size, replace=False)].astype(np.float64),
            second[rng.choice(len(second), size, replace=False)].astype(np.float64),
        )
        for _ in range(KID_SUBSETS)
    ]
    return Kid(float(np.mean(found)), float(np.std(found)))


def _squared_mmd(first: np.ndarray, second: np.ndarray) -> float:
    """Return the unbiased estimate from two sets of n: without the pairs of a member and itself."""
    n = len(first)
    within = sum(
        (kernel.sum() - np.trace(kernel)) / (n * (n - 1))
        for kernel in (_kernel(first, first), _kernel(second, second))
    )
    return float(within - 2.0 * _kernel(first, second).mean())


def _kernel(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    kernel: np.ndarray = (first @ second.T / first.shape[1] + 1.0) ** 3
    return kernel


def neighbourhoods(first: np.ndarray, second: np.ndarray) -> Neighbourhoods:
    """Return improved precision and recall, density and coverage.

    Args:
        first: (N, d) features of the set that is judged, such as generated images, N at least 4.
        second: (M, d) features of the set it is judged by, M at least 6.
    """
    # Distances of near points lose most of float32's digits.
    judged, by = (torch.from_numpy(rows.astype(np.float64)) for rows in (first, second))
    own_radii = _radii(judged, PRECISION_NEIGHBOURS)[0]
    radii, wide_radii = _radii(by, PRECISION_NEIGHBOURS, DENSITY_NEIGHBOURS)
    near = torch.zeros(len(judged), dtype=torch.bool)
    recalled, held, covered = 0, 0, 0
    for start in range(0, len(by), _ROWS):
        rows = slice(start, start + _ROWS)
        distances = torch.cdist(by[rows], judged)
        near |= (distances <= radii[rows, None]).any(dim=0)
        recalled += int((distances <= own_radii).any(dim=1).sum())
        within = distances <= wide_radii[rows, None]
        held += int(within.sum())
        covered += int(within.any(dim=1).sum())
    return Neighbourhoods(
        precision=int(near.sum()) / len(judged),
        recall=recalled / len(by),
        density=held / (DENSITY_NEIGHBOURS * len(judged)),
        coverage=covered / len(by),
    )


def _radii(points: Tensor, *neighbours: int) -> list[Tensor]:
    """Return for each k the distances of all points to their k-th nearest other one."""
    pieces = []
    for start in range(0, len(points), _ROWS):
        # The nearest of all is the point itself.
        distances = torch.cdist(points[start : start + _ROWS], points)
        nearest = distances.topk(max(neighbours) + 1, dim=1, largest=False).values
        pieces.append(nearest[:, list(neighbours)])
    return list(torch.cat(pieces).T)
