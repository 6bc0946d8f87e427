"""Draw a mosaic with a wanted cell area, spread of areas and disorder from random numbers.

Sites start on a hexagonal grid and are displaced at random: the displacement (`jitter`) decides how many
cells keep six sides. Each cell is given an area from a log-normal distribution (`spread` decides the
coefficient of variation), more likely a large one where the displaced grid has room, as large cells of a
real mosaic have more sides. A few rounds of Newton steps for the areas and of moves towards the centroids
make a power diagram of rounded cells of nearly those areas; cells that are still slender get more of both.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from endotwin.field_size import STANDARD, FieldSize
from endotwin.generator.latents import to_uniform
from endotwin.image_range import IMAGE_SIZE
from endotwin.mosaic.gutta_spots import Spots
from endotwin.mosaic.tessellation import Tessellation, tessellate

GRID = 24
"""Sites per side of the periodic table of site numbers of an image of 128 × 128; see `grid_side`."""

SITE_NUMBERS = 5
"""Standard normal numbers per site: displacement (2), size, look (2)."""

LATTICE_NUMBERS = 7
"""Standard normal numbers per image: rotation, stretch (2), offset (2), gradient of the cells' size (2)."""

_WAVES, _WAVE_NUMBERS = 24, 3
_SHORTEST_WAVE, _LONGEST_WAVE = 256.0, 1024.0
_SHEAR = 0.07
"""Waves that bend the grid of a larger field, the numbers of each (direction, length, phase), their lengths
in pixels, and the standard deviation of the shear by all: no row of cells is straight for long."""

_MARGIN, _WIDEST_MARGIN = 2.5, 4.0
"""Width of the mosaic around the image, in spacings: cells at the edge have all their neighbours. It is
widest where cells are large, as most of those that the image shows are near its edge."""

_SMALLEST_SPACING = 15.2
"""Spacing of the smallest cells that are drawn, in pixels."""

_MARGIN_GROWS_FROM, _MARGIN_GROWS_TO = 20.0, 45.0
"""Spacings, in pixels, between which the margin goes from the one width to the other."""

_RIM = 1.0
"""Width of the outermost part whose sites stay as they are, in spacings."""

_DISTURBED = 2.0
"""Width of the outer part in which the open edge of the mosaic changes how much room cells have, in
spacings."""

_MOVE = 0.5
"""Share of the way to the centroid that a site moves (1 is Lloyd's method)."""

_FULL_MOVE_JITTER, _NO_MOVE_JITTER = 0.3, 0.5
"""Jitters up to which sites move all of that way, and from which on they do not move at all."""

_SEEN = 1.0
"""Sites within so many spacings of the image are those whose cells must not stay slender or too small."""

_LEAST_WANTED, _LEAST_FOUND = 0.15, 0.12
"""Areas, in mean areas, below which no cell is wanted, and below which none stays: of 12,569 real cells the
smallest has 0.11 of the mean of its image, and one in a thousand less than 0.3."""

_REACH = 2.0
"""Sites further than so many spacings from the image own none of its pixels: on the rim, nothing depends on
their cells."""

_ROOM = 0.8
"""Correlation of a cell's wanted size with the room that the displaced grid leaves it."""

_LEAST_ROOM = 0.03
"""Least spread of log room that counts as room: without jitter all of it is rounding."""

_LEAST_STIFFNESS = 1e-3
"""So that a cell that was lost does not make the equations singular."""

_CROWDING = 0.8
"""By how much cells around guttae are smaller, and those beneath larger, in standard deviations of the
logarithm of size."""

_STRETCH, _FIELD_STRETCH = 0.05, 0.02
"""Standard deviation of the stretch of an image of 128 × 128, and of a larger field as a whole, in which
waves add the rest."""

_LARGEST_STRETCH = 0.15
_GRADIENT = 0.15
"""Standard deviation of the change of log size across the image."""


def spacing_of(cell_area: float) -> float:
    """Return how far the sites of a hexagonal grid are apart whose cells have a mean area, in pixels."""
    return math.sqrt(cell_area * 2.0 / math.sqrt(3.0))


def cell_area_of(spacing: float) -> float:
    """Return the mean area of the cells of a hexagonal grid of a spacing, in square pixels."""
    return 0.5 * math.sqrt(3.0) * spacing**2


@dataclass(frozen=True)
class MosaicShape:
    """What a mosaic is drawn with; `endotwin.mosaic.calibration` finds it for clinical parameters.

    Attributes:
        cell_area: mean area of a cell in square pixels.
        jitter: standard deviation of a site's displacement, in spacings of the grid.
        spread: standard deviation of the logarithm of the wanted areas.
    """

    cell_area: float
    jitter: float
    spread: float

    @property
    def spacing(self) -> float:
        """Distance of neighbouring sites of the hexagonal grid, in pixels."""
        return spacing_of(self.cell_area)


@dataclass(frozen=True)
class Mosaic:
    """A tessellation that covers the image and a margin around it.

    Attributes:
        tessellation: its sites have coordinates in which the image is 0..width in x and 0..height in y, the
            centre of the first pixel at 0.5.
        table: int64 (N,), the row of each site in the table of site numbers.
        shape: what it was drawn with.
        size: of the image.
    """

    tessellation: Tessellation
    table: np.ndarray
    shape: MosaicShape
    size: FieldSize = STANDARD


def grid_side(size: FieldSize) -> int:
    """Return the sites per side of the periodic table of site numbers: more than a field has in a row."""
    around = 2.0 * _MARGIN * _SMALLEST_SPACING

    def across(one: FieldSize) -> float:
        return math.hypot(one.width + around, one.height + around)

    return math.ceil(GRID * across(size) / across(STANDARD))


def lattice_numbers(size: FieldSize) -> int:
    """Return how many standard normal numbers the grid of an image takes."""
    return LATTICE_NUMBERS + (0 if size == STANDARD else _WAVES * _WAVE_NUMBERS)


def draw_mosaic(
    lattice: np.ndarray,
    sites: np.ndarray,
    shape: MosaicShape,
    size: FieldSize = STANDARD,
    spots: Spots | None = None,
) -> Mosaic:
    """Draw one mosaic.

    Args:
        lattice: (lattice_numbers(size),) standard normal; see `LATTICE_NUMBERS`, then the waves.
        sites: (grid_side(size)**2, 5) standard normal; see `SITE_NUMBERS`.
        shape: area, jitter and spread.
        size: of the image.
        spots: guttae that push cells aside.
    """
    from endotwin.mosaic.kernels import settle  # noqa: PLC0415

    margin = float(
        np.interp(shape.spacing, (_MARGIN_GROWS_FROM, _MARGIN_GROWS_TO), (_MARGIN, _WIDEST_MARGIN))
    )
    extent = np.array([size.width, size.height], dtype=np.float64)
    positions, table = _grid(lattice.astype(np.float64), shape.spacing, margin, size)
    numbers = sites[table].astype(np.float64)
    free = ~_outside(positions, margin - _RIM, shape.spacing, extent)
    settled = ~_outside(positions, margin - _DISTURBED, shape.spacing, extent)
    positions = positions + shape.jitter * shape.spacing * numbers[:, :2]
    chosen = free | ~_outside(positions, _REACH, shape.spacing, extent)

    tessellation = tessellate(positions, np.zeros(len(positions)), chosen)
    room = np.log(np.clip(tessellation.areas / shape.cell_area, 0.2, 5.0))
    room = np.clip((room - room[settled].mean()) / max(room[settled].std(), _LEAST_ROOM), -3.0, 3.0)
    drawn = numbers[:, 2]
    drawn = np.where(settled, _ROOM * room + math.sqrt(1.0 - _ROOM**2) * drawn, drawn)
    if spots is not None:
        drawn = _crowd(drawn, spots.lie_around(positions, shape.spacing), settled)
    if size == STANDARD:
        across = np.clip(positions / extent - 0.5, -0.5, 0.5)
        gradient = across @ (_GRADIENT * lattice[5:7].astype(np.float64))
        wanted = np.exp(shape.spread * drawn + gradient)
    else:  # as unequal, but alike everywhere: a gradient would pile cells up at one end of a field
        wanted = np.exp(math.hypot(shape.spread, _GRADIENT / math.sqrt(6.0)) * drawn)
    wanted *= shape.cell_area / wanted[free].mean()
    wanted = np.maximum(wanted, _LEAST_WANTED * shape.cell_area)

    # Moves also even out the numbers of sides, so the most disordered mosaics make none.
    move = _MOVE * min(
        1.0, max(0.0, (_NO_MOVE_JITTER - shape.jitter) / (_NO_MOVE_JITTER - _FULL_MOVE_JITTER))
    )
    middle, half = extent / 2.0, extent / 2.0 + _SEEN * shape.spacing
    seen = np.stack([middle - half, middle + half])
    least = _LEAST_FOUND * shape.cell_area
    positions, weights, cells = settle(
        positions, tessellation.cells, wanted, chosen, free, seen, move, least, _stiffness(shape, size)
    )
    return Mosaic(Tessellation(positions, weights, *cells), table, shape, size)


def _crowd(drawn: np.ndarray, around: np.ndarray, settled: np.ndarray) -> np.ndarray:
    """Return log sizes with smaller ones where cells crowd, of the same mean and spread as before."""
    crowded: np.ndarray = drawn - _CROWDING * around
    spread = drawn[settled].std() / crowded[settled].std()
    crowded = drawn[settled].mean() + (crowded - crowded[settled].mean()) * spread
    return crowded


def _stiffness(shape: MosaicShape, size: FieldSize) -> float:
    """Return what holds weights back in the Newton steps; see `endotwin.mosaic.kernels.newton_step`.

    In 128 × 128 pixels the rim, whose weights stay, does: no areas are met by moving many borders one way.
    A larger field gets as much as the rim does to the widest mode of such an image: without, steps would be
    spent on places where the wanted areas of hundreds of cells add up to more than there is room for.
    """
    if size == STANDARD:
        return _LEAST_STIFFNESS
    # In a hexagonal grid areas change with weights by 0.433 spacing**2 times their Laplacian.
    side = IMAGE_SIZE / shape.spacing + 2.0 * (_MARGIN - _RIM)
    return 0.433 * 2.0 * (math.pi / side) ** 2


def _grid(
    lattice: np.ndarray, spacing: float, margin: float, size: FieldSize
) -> tuple[np.ndarray, np.ndarray]:
    """Return the sites of the rotated, stretched grid in and around the image, and their table rows.

    Args:
        lattice: (lattice_numbers(size),) standard normal.
        spacing: of the sites, in pixels.
        margin: how far around the image, in spacings.
        size: of the image.
    """
    angle = 2.0 * math.pi * to_uniform(lattice[0])
    standard = size == STANDARD
    usual, far = (_STRETCH, 1.6) if standard else (_FIELD_STRETCH, 2.0)
    stretch = np.clip(usual * lattice[1:3], -_LARGEST_STRETCH, _LARGEST_STRETCH)
    extent = np.array([size.width, size.height], dtype=np.float64)
    reach = math.ceil((extent.max() / 2.0 + margin * spacing) * far / spacing) + 1
    axis = np.arange(-reach, reach + 1)
    a, b = (part.ravel() for part in np.meshgrid(axis, axis))
    x, y = (a + 0.5 * b) * spacing, (0.5 * math.sqrt(3.0)) * b * spacing
    x, y = x + spacing * to_uniform(lattice[3]), y + spacing * to_uniform(lattice[4])
    # Stretching along one axis and along the diagonal, each by a factor and its inverse: areas stay.
    x, y = x * math.exp(stretch[0]), y * math.exp(-stretch[0])
    even, odd = math.cosh(stretch[1]), math.sinh(stretch[1])
    x, y = even * x + odd * y, odd * x + even * y
    cos, sin = math.cos(angle), math.sin(angle)
    positions = np.column_stack([cos * x - sin * y, sin * x + cos * y]) + extent / 2.0
    if not standard:
        positions += _bend(lattice[LATTICE_NUMBERS:], positions)
    near = ~_outside(positions, margin, spacing, extent)
    side = grid_side(size)
    table = np.mod(a, side) * side + np.mod(b, side)
    return positions[near], table[near]


def _bend(numbers: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Return how far waves displace positions, float64 (N, 2), in pixels.

    Every wave is across its direction, so that the cells keep their areas.

    Args:
        numbers: (_WAVES * _WAVE_NUMBERS,) standard normal.
        positions: float64 (N, 2), in pixels.
    """
    displaced = np.zeros_like(positions)
    for wave in numbers.reshape(_WAVES, _WAVE_NUMBERS):
        direction, share, phase = (to_uniform(number) for number in wave)
        length = _SHORTEST_WAVE * (_LONGEST_WAVE / _SHORTEST_WAVE) ** share
        cos, sin = math.cos(2.0 * math.pi * direction), math.sin(2.0 * math.pi * direction)
        rate = 2.0 * math.pi / length
        along = np.sin(rate * (cos * positions[:, 0] + sin * positions[:, 1]) + 2.0 * math.pi * phase)
        displaced += (_SHEAR * math.sqrt(2.0 / _WAVES) / rate) * along[:, None] * np.array([-sin, cos])
    return displaced


def _outside(positions: np.ndarray, margin: float, spacing: float, extent: np.ndarray) -> np.ndarray:
    """Return which positions are further than so many spacings from an image of this width and height."""
    half = extent / 2.0
    outside: np.ndarray = np.any(np.abs(positions - half) > half + margin * spacing, axis=1)
    return outside
