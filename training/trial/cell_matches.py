"""Cells that were found: predicted ones matched with an expert's, or with centres that a reader counted."""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict

from training.trial.cells import mostly_inside

IOU = 0.5
"""A predicted cell is an expert's if they overlap by this share of both together."""


class CellMatches(BaseModel):
    """Cells of one image, or of several: found, missed, and predicted where there is none."""

    model_config = ConfigDict(frozen=True)

    found: int
    missed: int
    made_up: int

    @property
    def f1(self) -> float:
        """Twice the cells found over the cells known and predicted; 0 if there is neither."""
        total = 2 * self.found + self.missed + self.made_up
        return 2 * self.found / total if total else 0.0


def match_cells(predicted: np.ndarray, expert: np.ndarray, area: np.ndarray) -> CellMatches:
    """Match predicted cells with an expert's by their overlap in the annotated area, one to one.

    The pairs that overlap most are matched first. Cells of which more than a quarter lies outside the area
    are neither missed nor made up, but may be matched.

    Args:
        predicted: int (H, W), every pixel in a cell numbered from 1.
        expert: the same.
        area: bool (H, W).
    """
    sizes = np.bincount(predicted[area], minlength=predicted.max() + 1)
    known_sizes = np.bincount(expert[area], minlength=expert.max() + 1)
    codes, common = np.unique(
        expert[area].astype(np.int64) * len(sizes) + predicted[area], return_counts=True
    )
    known, cells = np.divmod(codes, len(sizes))
    overlap = common / (known_sizes[known] + sizes[cells] - common)
    matched_known = np.zeros(len(known_sizes), dtype=bool)
    matched = np.zeros(len(sizes), dtype=bool)
    for k in np.argsort(-overlap, kind="stable"):
        if overlap[k] < IOU:
            break
        if not (matched_known[known[k]] or matched[cells[k]]):
            matched_known[known[k]] = matched[cells[k]] = True
    counted_known, counted = mostly_inside(expert, area), mostly_inside(predicted, area)
    return CellMatches(
        found=int((matched_known & counted_known).sum()),
        missed=int((~matched_known & counted_known).sum()),
        made_up=int((~matched & counted).sum()),
    )


def match_centres(
    predicted: np.ndarray, centres: tuple[np.ndarray, np.ndarray], region: np.ndarray
) -> CellMatches:
    """Match predicted cells with counted centres: a cell is found if it holds one centre, and one only.

    A cell that holds several is made up, and all of its centres are missed. One without a centre is made
    up unless more than a quarter of it lies outside the region that was read.

    Args:
        predicted: int (H, W), every pixel in a cell numbered from 1.
        centres: row and column of the pixel of each, int (n,) both.
        region: bool (H, W), that was read.
    """
    held = np.bincount(predicted[centres], minlength=predicted.max() + 1)
    return CellMatches(
        found=int((held == 1).sum()),
        missed=int(held[held > 1].sum()),
        made_up=int((held > 1).sum() + ((held == 0) & mostly_inside(predicted, region)).sum()),
    )


def density_within(cells: np.ndarray, region: np.ndarray) -> float:
    """Return cells per square pixel of a region: the mean over its pixels of 1 over the size of their cell.

    So a cell that the region's edge cuts counts by the share of it that lies inside.

    Args:
        cells: int (H, W), every pixel in a cell numbered from 1.
        region: bool (H, W), not empty.
    """
    return float((1 / np.bincount(cells.ravel())[cells[region]]).mean())
