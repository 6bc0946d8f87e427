"""Masks that other tools made, borders or instance maps, read as cells."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from endotwin.image_range import IMAGE_SIZE, MAX_INDEX
from endotwin.mosaic.drawing import GRID

MOST_CELLS = GRID * GRID
"""Cells of one mask: each has random numbers of its own."""

LEAST_PIXELS = 8
"""Pieces of fewer pixels are no cells: holes in thick or doubled lines."""

WIDEST_BORDER = 8
"""Pixels. Where no cell is within half of this, there is an area without cells, and no border."""

_CORE = WIDEST_BORDER / 2
_REACHES = (1.0, 1.5, 2.0, 2.5, 3.0, 3.7, 4.5, 5.5, 6.5, 8.0)
"""Distances in pixels within which the other level is everywhere, of ever wider lines."""

_CLOSE = 0.1
"""Shares of a mask that differ by less from a half do not tell borders from cells."""
_MOST_VALUES = 2
_LARGEST_ID = 2**16 - 1


class MaskError(ValueError):
    """A mask cannot be used; the message says why, without its name."""


class BorderColour(StrEnum):
    """Which of two grey levels borders have."""

    AUTO = "auto"
    WHITE = "white"
    BLACK = "black"


@dataclass(frozen=True, eq=False)
class CellMask:
    """The cells of a mask.

    Attributes:
        cells: int64 (128, 128), the number of the cell that a pixel is in, from 1 in the order of their
            first pixel, and 0 on borders. Areas without cells are numbered after the cells.
        ids: int64 (N + 1,), by number: the id of a cell in the mask, or its number where that has none; 0
            for an area without cells, and at 0.
    """

    cells: np.ndarray
    ids: np.ndarray

    @property
    def index(self) -> int:
        """The index of the image of this mask, 0 to 2**53 - 1: it follows from where the cells are."""
        content = self.cells.astype("<u2").tobytes()
        return int.from_bytes(hashlib.sha256(content).digest()[:8], "big") & MAX_INDEX


def read_borders(pixels: np.ndarray, colour: BorderColour = BorderColour.AUTO) -> CellMask:
    """Read borders: two grey levels, whichever they are.

    Args:
        pixels: (128, 128), bool or any numbers.
        colour: whether borders are the higher (white) or the lower level; `auto` finds out.

    Raises:
        MaskError: it has another size, no border, more than two levels, or either level could be that of
            borders, or there are too many cells.
    """
    _check_shape(pixels)
    levels = np.unique(pixels)
    if len(levels) > _MOST_VALUES:
        raise MaskError(
            f"it has {len(levels)} grey levels, borders have two: save them without smoothing "
            "(anti-aliasing), or, if the numbers are those of cells, take it as an instance map"
        )
    if len(levels) < _MOST_VALUES:
        raise MaskError("it shows no cell: all of it has one grey level")
    white = pixels == levels[1]
    if colour is BorderColour.AUTO:
        colour = _colour_of_borders(white)
    return _as_cells(~white if colour is BorderColour.WHITE else white)


def read_instances(pixels: np.ndarray) -> CellMask:
    """Read an instance map: the id of a cell at each of its pixels, 0 elsewhere.

    Cells may touch or have borders of up to `WIDEST_BORDER` pixels between them. An id in several pieces
    is several cells.

    Args:
        pixels: (128, 128) integers, 0 to 65,535.

    Raises:
        MaskError: it has another size, other numbers, or fewer than two cells.
    """
    _check_shape(pixels)
    if pixels.dtype.kind not in "ub" and not (pixels.dtype.kind == "i" and pixels.min() >= 0):
        raise MaskError(f"an instance map holds whole numbers from 0 on, got {pixels.dtype}")
    if pixels.max() > _LARGEST_ID:
        raise MaskError(f"ids of cells go up to {_LARGEST_ID}, got {pixels.max()}")
    values, pieces = np.unique(pixels), _label(pixels)[1]
    if len(values) > _MOST_VALUES and pieces > 4 * len(values):
        raise MaskError(
            f"its {len(values)} numbers are in {pieces} pieces: borders that were smoothed are no "
            "instance map"
        )
    return _as_cells(pixels, keep_ids=True)


def wrong_size(found: tuple[int, ...]) -> MaskError:
    """Return the error of a mask of so many pixels, the width first."""
    return MaskError(f"it has {' × '.join(map(str, found))} pixels; masks have {IMAGE_SIZE} × {IMAGE_SIZE}")


def _check_shape(pixels: np.ndarray) -> None:
    if pixels.shape != (IMAGE_SIZE, IMAGE_SIZE):
        raise wrong_size(pixels.shape[::-1])


def _colour_of_borders(white: np.ndarray) -> BorderColour:
    """Return which level borders have: the one whose widest place is narrower, else the rarer one.

    Raises:
        MaskError: neither can be told.
    """
    from endotwin.mosaic.mask_kernels import within_reach  # noqa: PLC0415

    for reach in _REACHES:
        white_ends, black_ends = (bool(within_reach(~mask, reach)[mask].all()) for mask in (white, ~white))
        if white_ends != black_ends:
            return BorderColour.WHITE if white_ends else BorderColour.BLACK
        if white_ends:
            break
    share = float(white.mean())
    if abs(share - 0.5) < _CLOSE:
        raise MaskError(
            "it does not show which of its two grey levels borders have; say if they are white or black"
        )
    return BorderColour.WHITE if share < 0.5 else BorderColour.BLACK


def _as_cells(values: np.ndarray, *, keep_ids: bool = False) -> CellMask:
    pieces, _ = _label(values)
    sizes = np.bincount(pieces.ravel())
    large = np.flatnonzero(sizes >= LEAST_PIXELS)
    kept = large[large > 0]
    if len(kept) < _MOST_VALUES:
        raise MaskError(f"it shows {'no cell' if len(kept) == 0 else 'one cell and no border'}")
    if len(kept) > MOST_CELLS:
        raise MaskError(f"it shows {len(kept)} cells; {MOST_CELLS} are the most")
    number = np.zeros(len(sizes), dtype=np.int64)
    number[kept] = np.arange(1, len(kept) + 1)
    cells = number[pieces]
    first = np.unique(pieces, return_index=True)[1][np.searchsorted(np.unique(pieces), kept)]
    ids = values.ravel()[first].astype(np.int64) if keep_ids else np.arange(1, len(kept) + 1)
    empty, areas = _areas_without_cells(cells)
    cells = np.where(empty > 0, empty + len(kept), cells)
    return CellMask(cells, np.concatenate([[0], ids, np.zeros(areas, dtype=np.int64)]))


def _areas_without_cells(cells: np.ndarray) -> tuple[np.ndarray, int]:
    """Return areas that are wider than a border, numbered from 1, less a border around them."""
    from endotwin.mosaic.mask_kernels import within_reach  # noqa: PLC0415

    free = cells == 0
    core = free & ~within_reach(~free, _CORE)
    return _label(free & within_reach(core, _CORE - 1.0))


def _label(values: np.ndarray) -> tuple[np.ndarray, int]:
    from endotwin.mosaic.pixels import label_pieces  # noqa: PLC0415

    return label_pieces(values if values.dtype == bool else values.astype(np.int64))
