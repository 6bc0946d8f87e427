"""Power diagrams, compiled: cells by clipping, areas by Newton's method, rounded cells by rounds of both.

Import this module where it is used: it takes Numba with it.
"""

from __future__ import annotations

import math

import numpy as np

from endotwin.mosaic.compiled import compiled

Cells = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""Areas, centroids, aspects, sides, neighbours and lengths, as `endotwin.mosaic.tessellation` has them."""

_NEWTON_STEP = 0.8
"""Share of a Newton step that is taken: a whole one can lose a small cell."""

_LARGEST_STEP = 0.25
"""Largest change of a weight in one step, in wanted mean areas, for the same reason."""

_FEW_CELLS = 1000
"""Weights of more cells are found by conjugate gradients, whose time grows as the number of cells does."""

_RESIDUAL = 1e-6
"""Of the equations of a Newton step, relative to the right-hand side, at which conjugate gradients end."""

_ROUNDS = 4
_MOVES = 2
"""Rounds in which all sites move, the first ones; in the others only weights change."""

_SLENDER = 2.5
"""Cells of a greater aspect ratio are made rounder. Of 3,581 real cells with experts' borders none has more
than 2.9 and one in a thousand more than 2.5, measured on pixels without the border, which adds to it."""

_BAD_MOVE, _BESIDE_MOVE = 1.0, 0.25
"""Shares of the way to the centroid that the site of a bad cell moves, and those beside."""

_MORE_ROUNDS = 20
"""Rounds, at most, for bad cells and those beside them alone; ending earlier once none is left."""


@compiled
def settle(
    sites: np.ndarray,
    cells: Cells,
    wanted: np.ndarray,
    chosen: np.ndarray,
    free: np.ndarray,
    seen: np.ndarray,
    move: float,
    least_area: float,
    stiffness: float,
) -> tuple[np.ndarray, np.ndarray, Cells]:
    """Find sites and weights of rounded cells that have nearly the wanted areas.

    Args:
        sites: float64 (N, 2), where they start.
        cells: of these sites without weights.
        wanted: float64 (N,), areas in square pixels.
        chosen: bool (N,), the sites whose cells are looked at, all free ones among them.
        free: bool (N,), the sites that may move and whose weights may change.
        seen: float64 (2, 2), least x and y, and greatest, of the sites whose cells must not stay bad.
        move: share of the way to the centroid of its cell that every site moves in the first rounds.
        least_area: smaller cells are bad, as slender ones are.
        stiffness: see `newton_step`.

    Returns:
        Sites (N, 2), weights (N,) and their cells.
    """
    sites, weights = sites.copy(), np.zeros(len(sites))
    for turn in range(_ROUNDS + _MORE_ROUNDS):
        everywhere = turn < _ROUNDS
        least = move if turn < _MOVES else 0.0
        shares, concerned, bad = _mend(sites, cells, free, everywhere, seen, least_area)
        if bad == 0 and not everywhere:
            break
        steps = newton_step(sites, cells, wanted, concerned, stiffness)
        centroids = cells[1]
        for i in range(len(sites)):
            weights[i] += steps[i]
            if free[i]:
                share = max(least, shares[i])
                sites[i, 0] += share * (centroids[i, 0] - sites[i, 0])
                sites[i, 1] += share * (centroids[i, 1] - sites[i, 1])
        cells = clip_cells(sites, weights, chosen)
    return sites, weights, cells


@compiled
def _mend(
    sites: np.ndarray,
    cells: Cells,
    free: np.ndarray,
    everywhere: bool,
    seen: np.ndarray,
    least_area: float,
) -> tuple[np.ndarray, np.ndarray, int]:
    """Return by which shares of the way to their centroids sites move so that bad cells get better.

    While the rounds are for cells everywhere, small ones are not bad yet: their weights are being found.

    Returns:
        Shares (N,), which sites' weights are to change (N,), and how many cells are bad: of the free sites,
        or after the rounds for all of those that can be seen.
    """
    areas, aspects, pairs = cells[0], cells[2], cells[4]
    shares = np.zeros(len(sites))
    concerned = free.copy()
    bad = 0
    for i in range(len(sites)):
        x, y = sites[i, 0], sites[i, 1]
        looked_at = everywhere or (
            seen[0, 0] <= x and seen[0, 1] <= y and x <= seen[1, 0] and y <= seen[1, 1]
        )
        small = areas[i] < least_area and not everywhere
        if free[i] and looked_at and (small or aspects[i] > _SLENDER):
            shares[i] = _BAD_MOVE
            bad += 1
    for k in range(len(pairs)):
        i, j = pairs[k, 0], pairs[k, 1]
        if shares[i] == _BAD_MOVE and shares[j] == 0.0:
            shares[j] = _BESIDE_MOVE
    if not everywhere:
        for i in range(len(sites)):
            concerned[i] = free[i] and shares[i] > 0.0
    return shares, concerned, bad


@compiled
def clip_cells(sites: np.ndarray, weights: np.ndarray, chosen: np.ndarray) -> Cells:
    """Cut the cells of sites out of a box with the borders to the sites around them, the nearest first.

    Args:
        sites: float64 (N, 2).
        weights: float64 (N,).
        chosen: bool (N,), the sites whose cells are wanted.

    """
    count = len(sites)
    low_x, low_y, high_x, high_y, heaviest = _bounds(sites, weights)
    reach = max(high_x - low_x, high_y - low_y)
    step = max(math.sqrt((high_x - low_x) * (high_y - low_y) / count), 1e-3 * reach)
    columns, rows = int((high_x - low_x) / step) + 1, int((high_y - low_y) / step) + 1
    starts, members = _fill_buckets(sites, low_x, low_y, step, columns, rows)

    areas = np.zeros(count)
    centroids = np.empty((count, 2))
    aspects = np.ones(count)
    sides = np.zeros(count, np.int64)
    pairs = np.empty((6 * count, 2), np.int64)
    lengths = np.empty(6 * count)
    found = 0
    # Corners from the site: x, y, and then how far beyond the line that cuts.
    corners, cut = np.empty((count + 4, 3)), np.empty((count + 4, 3))
    # The site across the edge from a corner to the next one.
    across, cut_across = np.empty(count + 4, np.int64), np.empty(count + 4, np.int64)
    near = np.empty(count, np.int64)
    for i in range(count):
        x, y = sites[i, 0], sites[i, 1]
        centroids[i, 0], centroids[i, 1] = x, y
        if not chosen[i]:
            continue
        size = _box(corners, across, x, y, low_x - reach, low_y - reach, high_x + reach, high_y + reach)
        farthest = _farthest(corners, size)
        column, row = int((x - low_x) / step), int((y - low_y) / step)
        ring = 0
        while ring < max(columns, rows) and _can_reach((ring - 1) * step, weights[i] - heaviest, farthest):
            for k in range(_list_ring(starts, members, column, row, ring, columns, rows, near)):
                j = near[k]
                dx, dy = sites[j, 0] - x, sites[j, 1] - y
                squared = dx * dx + dy * dy
                limit = 0.5 * (squared + weights[i] - weights[j])
                if j == i or (limit > 0.0 and limit * limit >= squared * farthest):
                    continue
                kept = _cut(corners, across, size, dx, dy, limit, j, cut, cut_across)
                if kept >= 0:
                    corners, cut = cut, corners
                    across, cut_across = cut_across, across
                    size = kept
                    farthest = _farthest(corners, size)
            ring += 1
        areas[i], away_x, away_y, aspects[i] = _measure_polygon(corners, size)
        centroids[i, 0] += away_x
        centroids[i, 1] += away_y
        for n in range(size):
            if across[n] >= 0:
                m = n + 1 if n + 1 < size else 0
                pairs[found, 0], pairs[found, 1] = i, across[n]
                along_x, along_y = corners[m, 0] - corners[n, 0], corners[m, 1] - corners[n, 1]
                lengths[found] = math.sqrt(along_x * along_x + along_y * along_y)
                found += 1
                sides[i] += 1
    return areas, centroids, aspects, sides, pairs[:found], lengths[:found]


@compiled
def _bounds(sites: np.ndarray, weights: np.ndarray) -> tuple[float, float, float, float, float]:
    """Return the least x and y, the greatest x and y, and the greatest weight."""
    low_x, low_y = sites[0, 0], sites[0, 1]
    high_x, high_y, heaviest = low_x, low_y, weights[0]
    for i in range(len(sites)):
        low_x, low_y = min(low_x, sites[i, 0]), min(low_y, sites[i, 1])
        high_x, high_y = max(high_x, sites[i, 0]), max(high_y, sites[i, 1])
        heaviest = max(heaviest, weights[i])
    return low_x, low_y, high_x, high_y, heaviest


@compiled
def _fill_buckets(
    sites: np.ndarray, low_x: float, low_y: float, step: float, columns: int, rows: int
) -> tuple[np.ndarray, np.ndarray]:
    """Sort sites into square buckets: where each bucket starts in the list of sites, and the list."""
    count, buckets = len(sites), columns * rows
    own = np.empty(count, np.int64)
    starts = np.zeros(buckets + 1, np.int64)
    for i in range(count):
        own[i] = int((sites[i, 1] - low_y) / step) * columns + int((sites[i, 0] - low_x) / step)
        starts[own[i] + 1] += 1
    for bucket in range(buckets):
        starts[bucket + 1] += starts[bucket]
    taken = np.zeros(buckets, np.int64)
    members = np.empty(count, np.int64)
    for i in range(count):
        members[starts[own[i]] + taken[own[i]]] = i
        taken[own[i]] += 1
    return starts, members


@compiled
def _can_reach(distance: float, lighter: float, farthest: float) -> bool:
    """Return whether a site as far as this can still cut a cell.

    Args:
        distance: of the site; without meaning below 0.
        lighter: the cell's weight less the greatest weight, at most 0.
        farthest: square of the distance of the cell's farthest corner.
    """
    limit = 0.5 * (distance * distance + lighter)
    return distance <= 0.0 or limit <= 0.0 or limit * limit < distance * distance * farthest


@compiled
def _list_ring(
    starts: np.ndarray,
    members: np.ndarray,
    column: int,
    row: int,
    ring: int,
    columns: int,
    rows: int,
    near: np.ndarray,
) -> int:
    """Write the sites of a ring of buckets around a bucket to `near`; return how many they are."""
    listed = 0
    for r in range(max(row - ring, 0), min(row + ring, rows - 1) + 1):
        stride = 1 if abs(r - row) == ring or ring == 0 else 2 * ring
        for c in range(column - ring, column + ring + 1, stride):
            if 0 <= c < columns:
                for k in range(starts[r * columns + c], starts[r * columns + c + 1]):
                    near[listed] = members[k]
                    listed += 1
    return listed


@compiled
def _box(
    corners: np.ndarray,
    across: np.ndarray,
    x: float,
    y: float,
    left: float,
    top: float,
    right: float,
    bottom: float,
) -> int:
    """Write the corners of a box from (x, y), with nothing across its edges; return how many they are."""
    corners[0, 0], corners[0, 1] = left - x, top - y
    corners[1, 0], corners[1, 1] = right - x, top - y
    corners[2, 0], corners[2, 1] = right - x, bottom - y
    corners[3, 0], corners[3, 1] = left - x, bottom - y
    for n in range(4):
        across[n] = -1
    return 4


@compiled
def _farthest(corners: np.ndarray, size: int) -> float:
    """Return the square of the distance of the farthest corner, 0 without one."""
    farthest = 0.0
    for n in range(size):
        farthest = max(farthest, corners[n, 0] * corners[n, 0] + corners[n, 1] * corners[n, 1])
    return farthest


@compiled
def _cut(
    corners: np.ndarray,
    across: np.ndarray,
    size: int,
    dx: float,
    dy: float,
    limit: float,
    other: int,
    cut: np.ndarray,
    cut_across: np.ndarray,
) -> int:
    """Write what is left of a convex polygon where x * dx + y * dy is at most `limit`, by its corners.

    Returns:
        How many corners are left; -1 if the line cuts nothing, and then nothing is written.
    """
    outside = 0
    for n in range(size):
        corners[n, 2] = corners[n, 0] * dx + corners[n, 1] * dy - limit
        outside += corners[n, 2] > 0.0
    if outside == 0:
        return -1
    kept = 0
    for n in range(size):
        m = n + 1 if n + 1 < size else 0
        here, there = corners[n, 2], corners[m, 2]
        if here <= 0.0:
            cut[kept, 0], cut[kept, 1], cut_across[kept] = corners[n, 0], corners[n, 1], across[n]
            kept += 1
        if (here <= 0.0) != (there <= 0.0):
            share = here / (here - there)
            cut[kept, 0] = corners[n, 0] + share * (corners[m, 0] - corners[n, 0])
            cut[kept, 1] = corners[n, 1] + share * (corners[m, 1] - corners[n, 1])
            cut_across[kept] = other if here <= 0.0 else across[n]
            kept += 1
    return kept


@compiled
def _measure_polygon(corners: np.ndarray, size: int) -> tuple[float, float, float, float]:
    """Return area, centroid (x, y), and the ratio of the axes of the ellipse of the same second moments."""
    area = first_x = first_y = xx = yy = xy = 0.0
    for n in range(size):
        m = n + 1 if n + 1 < size else 0
        a, b, c, d = corners[n, 0], corners[n, 1], corners[m, 0], corners[m, 1]
        cross = a * d - c * b
        area += 0.5 * cross
        first_x += cross * (a + c) / 6.0
        first_y += cross * (b + d) / 6.0
        xx += cross * (a * a + a * c + c * c) / 12.0
        yy += cross * (b * b + b * d + d * d) / 12.0
        xy += cross * (a * d + 2.0 * (a * b + c * d) + c * b) / 24.0
    if area < 1e-9:
        return max(area, 0.0), 0.0, 0.0, 1.0
    x, y = first_x / area, first_y / area
    xx, yy, xy = xx / area - x * x, yy / area - y * y, xy / area - x * y
    middle, half = 0.5 * (xx + yy), math.sqrt(0.25 * (xx - yy) * (xx - yy) + xy * xy)
    return area, x, y, math.sqrt((middle + half) / max(middle - half, 1e-12 * middle))


@compiled
def newton_step(
    sites: np.ndarray, cells: Cells, wanted: np.ndarray, free: np.ndarray, stiffness: float
) -> np.ndarray:
    """Return the changes of weights, (N,), of one damped Newton step towards wanted areas.

    The area of i grows with its weight and shrinks with that of a neighbour j by the length of their border
    over twice the distance of their sites.

    Args:
        sites: float64 (N, 2).
        cells: of all free sites.
        wanted: float64 (N,), areas in square pixels.
        free: bool (N,), the sites whose weights may change.
        stiffness: added to the diagonal, against changes of many neighbours' weights together.
    """
    count = len(sites)
    areas, pairs, lengths = cells[0], cells[4], cells[5]
    place = np.full(count, -1, np.int64)
    unknowns = 0
    for i in range(count):
        if free[i]:
            place[i] = unknowns
            unknowns += 1
    right = np.zeros(unknowns)
    total = 0.0
    for i in range(count):
        if free[i]:
            right[place[i]] = wanted[i] - areas[i]
            total += wanted[i]
    diagonal, beside, rates = _equations(sites, pairs, lengths, place, unknowns, stiffness)
    if unknowns > _FEW_CELLS:
        _solve_by_gradients(diagonal, beside, rates, right)
    else:
        _solve_directly(diagonal, beside, rates, right)

    limit = _LARGEST_STEP * total / unknowns if unknowns > 0 else 0.0
    steps = np.zeros(count)
    for i in range(count):
        if free[i]:
            steps[i] = min(max(_NEWTON_STEP * right[place[i]], -limit), limit)
    return steps


@compiled
def _equations(
    sites: np.ndarray,
    pairs: np.ndarray,
    lengths: np.ndarray,
    place: np.ndarray,
    unknowns: int,
    stiffness: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Set up the symmetric equations of a Newton step.

    Args:
        sites: float64 (N, 2).
        pairs: int64 (M, 2), neighbours.
        lengths: float64 (M,), of their borders.
        place: int64 (N,), the equation of a site, or -1.
        unknowns: number of equations.
        stiffness: see `newton_step`.

    Returns:
        float64 (unknowns,), the diagonal; int64 (K, 2), pairs of equations of neighbours; float64 (K,), by
        how much the area of the first shrinks as the weight of the second grows.
    """
    diagonal = np.full(unknowns, stiffness)
    beside, rates = np.empty_like(pairs), np.empty_like(lengths)
    found = 0
    for k in range(len(pairs)):
        i, j = pairs[k, 0], pairs[k, 1]
        if place[i] >= 0:
            dx, dy = sites[j, 0] - sites[i, 0], sites[j, 1] - sites[i, 1]
            rate = lengths[k] / (2.0 * math.sqrt(dx * dx + dy * dy))
            diagonal[place[i]] += rate
            if place[j] >= 0:
                beside[found, 0], beside[found, 1], rates[found] = place[i], place[j], rate
                found += 1
    return diagonal, beside[:found], rates[:found]


@compiled
def _solve_by_gradients(
    diagonal: np.ndarray, beside: np.ndarray, rates: np.ndarray, right: np.ndarray
) -> None:
    """Solve the equations of a Newton step by conjugate gradients; `right` becomes the solution.

    The diagonal preconditions them (Saad, "Iterative methods for sparse linear systems", 2003, chapter 9).

    Args:
        diagonal: see `_equations`, like the next two.
        beside: pairs of equations.
        rates: of these pairs.
        right: float64, one for each equation.
    """
    count = len(right)
    solution, residual = np.zeros(count), right.copy()
    along = residual / diagonal
    energy = _product(residual, along)
    enough = _RESIDUAL * _RESIDUAL * energy
    for _ in range(count):
        if energy <= enough:
            break
        changed = diagonal * along
        for k in range(len(beside)):
            changed[beside[k, 0]] -= rates[k] * along[beside[k, 1]]
        step = energy / _product(along, changed)
        solution += step * along
        residual -= step * changed
        conditioned = residual / diagonal
        before, energy = energy, _product(residual, conditioned)
        along = conditioned + (energy / before) * along
    right[:] = solution


@compiled
def _product(one: np.ndarray, other: np.ndarray) -> float:
    """Return the inner product, added up in the same order on every machine."""
    total = 0.0
    for k in range(len(one)):
        total += one[k] * other[k]
    return total


@compiled
def _solve_directly(diagonal: np.ndarray, beside: np.ndarray, rates: np.ndarray, right: np.ndarray) -> None:
    """Solve the equations of a Newton step by elimination; see `_solve_by_gradients`."""
    band = 0
    for k in range(len(beside)):
        band = max(band, abs(beside[k, 0] - beside[k, 1]))

    lower = np.zeros((len(right), band + 1))  # [k, n]: in column k and row k + n
    lower[:, 0] = diagonal
    for k in range(len(beside)):
        column, row = beside[k, 0], beside[k, 1]
        if row > column:
            lower[column, row - column] = -rates[k]
    _solve_band(lower, right)


@compiled
def _solve_band(lower: np.ndarray, right: np.ndarray) -> None:
    """Solve symmetric equations in place; `lower` becomes its Cholesky factor and `right` the solution.

    Args:
        lower: float64 (N, band + 1), a positive definite matrix: [k, n] in its column k and row k + n.
        right: float64 (N,).
    """
    count, band = lower.shape[0], lower.shape[1] - 1
    for k in range(count):
        deep = min(band, count - 1 - k)
        root = math.sqrt(lower[k, 0])
        for n in range(deep + 1):
            lower[k, n] /= root
        right[k] /= root
        for n in range(1, deep + 1):
            factor = lower[k, n]
            if factor != 0.0:
                right[k + n] -= factor * right[k]
                for m in range(n, deep + 1):
                    lower[k + n, m - n] -= factor * lower[k, m]
    for k in range(count - 1, -1, -1):
        for n in range(1, min(band, count - 1 - k) + 1):
            right[k] -= lower[k, n] * right[k + n]
        right[k] /= lower[k, 0]
