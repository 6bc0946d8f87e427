"""Outlines of the regions of a label map, along the edges of its pixels, and back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

_Loop = list[tuple[float, float]]

_STEPS = ((1, 0), (0, 1), (-1, 0), (0, -1))
"""Right, down, left, up: a region is at the right-hand side of the edges that go round it."""

_AHEAD_RIGHT = ((1, 1), (1, 0), (0, 0), (0, 1))
"""For each step, of the 2 x 2 pixels around a corner the one ahead at the right, as row and column."""


def outlines(regions: np.ndarray, inset: float = 0.0) -> dict[int, list[np.ndarray]]:
    """Trace every region of a map.

    Args:
        regions: integers (H, W); 0 is no region.
        inset: by how many pixels an outline stays inside its region, below 0.5. With 0 it runs along the
            edges of pixels. With 0.05 a program that draws each pixel which the outline touches, as
            OpenCV does, draws the region, also when it enlarges the map by a whole number below 17.

    Returns:
        For every number of the map, ascending, its outlines: one for each part whose pixels touch by a
        side. An outline is float (K, 2), x and y in pixels, clockwise as seen; 0 is the left and upper edge
        of the map. A hole is part of the outline around it, joined to it by a line there and back.
    """
    return {number: _join(loops, inset) for number, loops in _trace(regions).items()}


def fill_outlines(polygons: Iterable[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """Return the pixels, bool (H, W), inside outlines that `outlines` has traced, with any inset."""
    turns = np.zeros((shape[0], shape[1] + 1), dtype=bool)
    for polygon in polygons:
        corners = np.round(np.asarray(polygon)).astype(int)
        for (x, y), (after, below) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
            if x == after:  # a side of pixels: what is right of it changes between inside and outside
                turns[min(y, below) : max(y, below), x] ^= True
    return np.logical_xor.accumulate(turns, axis=1)[:, :-1]


def outline_area(polygon: np.ndarray) -> float:
    """Return the area inside a closed polygon (K, 2), in square pixels; negative if counter-clockwise."""
    after = np.roll(polygon, -1, axis=0)
    return float(np.sum(polygon[:, 0] * after[:, 1] - after[:, 0] * polygon[:, 1]) / 2)


def _trace(regions: np.ndarray) -> dict[int, list[_Loop]]:
    """Return the corners of the closed loops around every region, clockwise, and around its holes."""
    framed = np.pad(regions.astype(np.int64), 1)
    here, above = framed[1:-1, 1:-1], framed[:-2, 1:-1]
    tops = [(x, y) for y, x in np.argwhere((here != 0) & (here != above)).tolist()]
    unseen, rows = set(tops), framed.tolist()
    loops: dict[int, list[_Loop]] = {number: [] for number in np.unique(here[here != 0]).tolist()}
    for x, y in tops:
        if (x, y) in unseen:  # every loop has the upper side of a pixel
            loops[rows[y + 1][x + 1]].append(_follow(rows, x, y, unseen))
    return loops


def _follow(rows: Sequence[Sequence[int]], x: int, y: int, unseen: set[tuple[int, int]]) -> _Loop:
    """Return the corners of the loop that begins at the left upper corner of a pixel.

    Args:
        rows: the map in a frame of one pixel: around the corner (x, y) are the rows y and y + 1 of it, and
            the columns x and x + 1.
        x: of the corner.
        y: of the corner.
        unseen: left upper corners of pixels whose upper sides no loop has; those of this loop are removed.
    """
    number, direction = rows[y + 1][x + 1], 0
    loop: _Loop = []
    while direction or (x, y) in unseen:
        if direction == 0:
            unseen.remove((x, y))
        x, y = x + _STEPS[direction][0], y + _STEPS[direction][1]
        down, right = _AHEAD_RIGHT[direction]
        if rows[y + down][x + right] != number:
            direction = (direction + 1) % 4
            loop.append((x, y))
            continue
        down, right = _AHEAD_RIGHT[direction - 1]  # ahead at the left
        if rows[y + down][x + right] == number:
            direction = (direction - 1) % 4
            loop.append((x, y))
    return loop


def _join(loops: Sequence[_Loop], inset: float) -> list[np.ndarray]:
    """Return one polygon for each loop that goes clockwise, with the holes in it."""
    areas = [outline_area(np.array(loop)) for loop in loops]
    outer = [_inset(loop, inset) for loop, area in zip(loops, areas, strict=True) if area > 0]
    holes = [_inset(loop, inset) for loop, area in zip(loops, areas, strict=True) if area < 0]
    for hole in sorted(
        holes, key=min
    ):  # from the left: what is left of a hole is part of an outline by now
        x, top = min(hole)
        slit = (
            np.floor(top + 0.5) + 0.5
        )  # through the pixels of a row, which are inside up to the next side
        side = next(i for i, (a, b) in enumerate(_pairs(hole)) if a[0] == b[0] == x and a[1] < slit < b[1])
        at, target, edge = max(
            (a[0], target, edge)
            for target, loop in enumerate(outer)
            for edge, (a, b) in enumerate(_pairs(loop))
            if a[0] == b[0] < x and b[1] < slit < a[1]
        )
        around = [(at, slit), (x, slit), *hole[side + 1 :], *hole[: side + 1], (x, slit), (at, slit)]
        outer[target][edge + 1 : edge + 1] = around
    return [np.array(loop, dtype=float) for loop in outer]


def _pairs(loop: _Loop) -> Iterator[tuple[tuple[float, float], tuple[float, float]]]:
    return zip(loop, [*loop[1:], loop[0]], strict=True)


def _inset(loop: _Loop, by: float) -> _Loop:
    """Move every corner of a loop to its right-hand side."""
    if not by:
        return loop
    moved = []
    for before, (x, y), after in zip([loop[-1], *loop[:-1]], loop, [*loop[1:], loop[0]], strict=True):
        # One of the two edges is level, the other upright.
        along, down = after[0] - before[0], after[1] - before[1]
        moved.append((x - by if down > 0 else x + by, y + by if along > 0 else y - by))
    return moved
