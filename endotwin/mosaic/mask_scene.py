"""What the renderer sees of a mask that another tool made: the maps of a mosaic that is drawn here."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np

from endotwin.image_range import IMAGE_SIZE
from endotwin.mosaic.clarity import clarity_weights
from endotwin.mosaic.drawing import spacing_of
from endotwin.mosaic.guttae import GuttaeLook, no_guttae
from endotwin.mosaic.morphometry import Morphometry, measure_cells
from endotwin.mosaic.own_masks import CellMask
from endotwin.mosaic.parameters import Parameters
from endotwin.mosaic.raster import Raster, draw_borders
from endotwin.mosaic.scene import LOOKS, sites_of_scene

_FINE = 5
"""Places per pixel and axis at which the border between two cells is looked for."""

_SMOOTHING = 1.0
"""Standard deviation in pixels of the weights that smooth the steps of pixels along a border."""

_REACH, _WIDEST_REACH = 3, 5
"""Pixels to either side that count, and where a border is so wide that no cell is among them."""

_SHARED = 1.0
"""Length of a common border, in pixels, from which on two cells are neighbours."""

_ENOUGH = 5
"""Whole cells from which on their share of hexagons says something of the mosaic."""


@dataclass(frozen=True, eq=False)
class MaskMosaic:
    """The cells of a mask as a mosaic.

    Attributes:
        mask: the cells.
        raster: where the borders are; `owner` is the number of a cell in the mask.
        whole: measured on the cells that the edge of the image does not cut, areas without cells left out.
        cells: number of cells that the image shows.
        mean_area: of a cell in square pixels; a cell that is cut by the edge counts as half of one.
    """

    mask: CellMask
    raster: Raster
    whole: Morphometry
    cells: int
    mean_area: float

    @property
    def spacing(self) -> float:
        """Distance of neighbouring cells of a hexagonal grid of such cells, in pixels."""
        return spacing_of(self.mean_area)

    @property
    def borders(self) -> np.ndarray:
        """Borders as they are rendered, one pixel wide: uint8 (128, 128), 255 there, else 0."""
        return np.where(draw_borders(self.raster), np.uint8(255), np.uint8(0))

    @property
    def instances(self) -> np.ndarray:
        """The ids of the cells as they are rendered: uint16 (128, 128), 0 on borders and without a cell."""
        return np.where(self.borders > 0, 0, self.mask.ids[self.raster.owner]).astype(np.uint16)


@dataclass(frozen=True, eq=False)
class MaskScene:
    """A mask in one of its looks; it has no guttae. See `endotwin.mosaic.scene.Rendered`."""

    mosaic: MaskMosaic
    parameters: Parameters
    looks: np.ndarray

    @property
    def raster(self) -> Raster:
        """Where the borders are."""
        return self.mosaic.raster

    @property
    def spacing(self) -> float:
        """Of the mosaic."""
        return self.mosaic.spacing

    @property
    def guttae(self) -> np.ndarray:
        """None: bool (128, 128), all False."""
        return no_guttae().covered

    @property
    def gutta_look(self) -> GuttaeLook:
        """How guttae would look."""
        return no_guttae().look

    @property
    def soft_guttae(self) -> np.ndarray:
        """Float32 (128, 128), all 0."""
        return self.guttae.astype(np.float32)

    @functools.cached_property
    def clarity_weights(self) -> np.ndarray | None:
        """The weights of the clarity."""
        return clarity_weights(self.raster.border, self.guttae)


def mosaic_of_mask(mask: CellMask) -> MaskMosaic:
    """Find where the borders of a mask are, to a fifth of a pixel, and measure its cells."""
    from endotwin.mosaic.mask_kernels import border_distances, divide_finely  # noqa: PLC0415

    places = divide_finely(mask.cells, _FINE, _taps(), _REACH)
    owner = places[_FINE // 2 :: _FINE, _FINE // 2 :: _FINE]
    count = len(mask.ids)
    y, x = np.divmod(np.arange(IMAGE_SIZE**2), IMAGE_SIZE)
    sizes = np.bincount(owner.ravel(), minlength=count)
    centres = [np.bincount(owner.ravel(), axis, minlength=count) / np.maximum(sizes, 1) for axis in (y, x)]
    away = [axis.reshape(owner.shape) - centre[owner] for axis, centre in zip((y, x), centres, strict=True)]
    raster = Raster(
        owner=owner,
        border=border_distances(places, _FINE),
        centre=np.hypot(*away).astype(np.float32),
    )
    areas = np.bincount(places.ravel(), minlength=count) / _FINE**2
    is_cell = (mask.ids > 0) & (areas > 0.0)
    cut = np.zeros(count, dtype=bool)
    cut[np.concatenate([places[0], places[-1], places[:, 0], places[:, -1]])] = True
    whole = is_cell & ~cut
    measured = measure_cells(areas[whole], _neighbours(places, count)[whole])
    return MaskMosaic(
        mask=mask,
        raster=raster,
        whole=measured,
        cells=int(is_cell.sum()),
        mean_area=float(areas[is_cell].sum() / (whole.sum() + 0.5 * (is_cell & cut).sum())),
    )


def scene_of_mask(
    mosaic: MaskMosaic, numbers: np.ndarray, drawn: Parameters, usual_hexagonality: float
) -> MaskScene:
    """Return a mask in one of its looks.

    Args:
        mosaic: of the mask.
        numbers: (SCENE_NUMBERS,) standard normal, of this look.
        drawn: with these numbers: their clarity and pixel size are kept.
        usual_hexagonality: that of a mask with too few whole cells to tell.
    """
    whole = mosaic.whole
    hexagonality = whole.hexagonality if whole.count >= _ENOUGH else None
    parameters = Parameters(
        density=1e6 / (mosaic.mean_area * drawn.pixel_size**2),
        cv=drawn.cv if whole.cv is None else whole.cv,
        hexagonality=usual_hexagonality if hexagonality is None else hexagonality,
        guttae=0.0,
        age=None,
        pixel_size=drawn.pixel_size,
        clarity=drawn.clarity,
    )
    sites = sites_of_scene(numbers)
    # Numbers of cells begin at 1, and areas without cells, which come last, share those of the first ones.
    of_cells = sites[(np.arange(len(mosaic.mask.ids)) - 1) % len(sites), LOOKS]
    return MaskScene(mosaic, parameters, of_cells[mosaic.raster.owner])


def _neighbours(places: np.ndarray, count: int) -> np.ndarray:
    """Return how many others each cell has a border with: int64 (count,)."""
    shared = np.zeros((count, count), dtype=np.int64)
    for a, b in ((places[:-1], places[1:]), (places[:, :-1], places[:, 1:])):
        differ = a != b
        np.add.at(shared, (a[differ], b[differ]), 1)
    shared += shared.T
    return np.asarray((shared >= _SHARED * _FINE).sum(axis=1))


@functools.cache
def _taps() -> np.ndarray:
    """Return the weights that `divide_finely` takes: float64 (_FINE, 2 * _WIDEST_REACH + 1)."""
    place = (np.arange(_FINE) - _FINE // 2) / _FINE
    steps = np.arange(-_WIDEST_REACH, _WIDEST_REACH + 1)
    return np.array(
        [[math.exp(-0.5 * ((step - at) / _SMOOTHING) ** 2) for step in steps] for at in place.tolist()]
    )
