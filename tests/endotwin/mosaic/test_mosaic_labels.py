"""Labels that agree with each other, with the mosaic, and with what is measured."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mosaic_draws import draw_scenes, fixed, mosaics_with, no_numbers
from power_diagrams import borders_by_hull, ways_to_borders
from scipy import ndimage

from endotwin.image_range import IMAGE_SIZE
from endotwin.mosaic.drawing import Mosaic, MosaicShape, draw_mosaic
from endotwin.mosaic.labels import SOFT_WIDTH, Label
from endotwin.mosaic.parameters import Conditions, Range
from endotwin.mosaic.raster import draw_borders, rasterise
from endotwin.mosaic.scene import Scene

CONDITIONS = (
    Conditions(),
    Conditions(density=fixed(4500), cv=fixed(0.6)),
    Conditions(density=fixed(500), guttae=fixed(0.3)),
    Conditions(cv=fixed(0.5), hexagonality=fixed(0.35)),
    Conditions(cv=fixed(0.15), hexagonality=fixed(0.85)),
)


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [scene for k, conditions in enumerate(CONDITIONS) for scene in draw_scenes(k, 8, conditions)]


@pytest.fixture(scope="module")
def labels(scenes: list[Scene]) -> list[Label]:
    return [scene.label() for scene in scenes]


def brute_force(mosaic: Mosaic) -> tuple[np.ndarray, np.ndarray]:
    """Return the owner of every pixel by all sites, and the way to the nearest of all borders, (..., 2)."""
    found = mosaic.tessellation
    axis = np.arange(IMAGE_SIZE) + 0.5
    points = np.stack(np.meshgrid(axis, axis), axis=-1)
    power = ((points[:, :, None, :] - found.sites) ** 2).sum(axis=-1) - found.weights
    _, ends = borders_by_hull(found.sites, found.weights)
    ways = ways_to_borders(points.reshape(-1, 2), ends).reshape(points.shape)
    return power.argmin(axis=-1), ways


# The mosaic on pixels


@pytest.mark.parametrize(
    ("area", "cv", "hexagonality"),
    [(220.0, 0.3, 0.6), (600.0, 0.55, 0.4), (3000.0, 0.3, 0.5), (500.0, 0.15, 0.8)],
)
def test_a_raster_is_what_every_site_says(area: float, cv: float, hexagonality: float) -> None:
    for mosaic in mosaics_with(13, 3, area, cv, hexagonality):
        raster = rasterise(mosaic)
        owner, ways = brute_force(mosaic)
        border = np.hypot(ways[..., 0], ways[..., 1])
        np.testing.assert_allclose(raster.border, border, atol=1e-4)
        decided = border > 1e-6
        np.testing.assert_array_equal(raster.owner[decided], owner[decided])
        axis = np.arange(IMAGE_SIZE) + 0.5
        x, y = np.moveaxis(mosaic.tessellation.sites[raster.owner], -1, 0)
        np.testing.assert_allclose(raster.centre, np.hypot(axis - x, axis[:, None] - y), atol=1e-3)


@pytest.mark.parametrize("area", [200.0, 3200.0])
def test_every_pixel_is_in_a_cell_with_a_border(area: float) -> None:
    """Also at the edge, where sites that were displaced most are from outside of the image."""
    for mosaic in mosaics_with(15, 60, area, 0.6, 0.30):
        raster = rasterise(mosaic)
        assert (mosaic.tessellation.areas[raster.owner] > 0).all()
        assert raster.border.max() < 2.0 * math.sqrt(area)


def test_borders_lie_on_the_line_without_bias(scenes: list[Scene]) -> None:
    distances, steps = [], []
    for scene in scenes[::4]:
        _, ways = brute_force(scene.mosaic)
        ways = ways[draw_borders(scene.raster)]
        distances.append(np.hypot(ways[:, 0], ways[:, 1]))
        steps.append(ways)
    mean = np.concatenate(distances).mean()
    assert 0.15 < mean < 0.30  # a line at a random place is 0.25 pixels from the nearest pixels' centres
    assert np.quantile(np.concatenate(distances), 0.99) < 0.75
    assert np.abs(np.concatenate(steps).mean(axis=0)).max() < 0.01  # in x and y


def test_borders_are_one_pixel_wide(labels: list[Label]) -> None:
    blocks, lines = 0, 0
    for label in labels:
        drawn = label.borders > 0
        blocks += (drawn[1:, 1:] & drawn[:-1, 1:] & drawn[1:, :-1] & drawn[:-1, :-1]).sum()
        lines += drawn.sum()
    assert blocks / lines < 0.002


def test_borders_cover_what_lines_of_their_length_cover() -> None:
    """A line one pixel wide that goes on diagonally takes as many pixels as its longer side has."""
    lattice, sites = no_numbers()
    for area in (300.0, 900.0):
        mosaic = draw_mosaic(lattice, sites, MosaicShape(area, 0.0, 0.0))
        found = mosaic.tessellation
        # Three borders per cell (six, each of two cells), each at right angles to the way between sites.
        apart = found.sites[found.neighbours[:, 1]] - found.sites[found.neighbours[:, 0]]
        near = np.hypot(*apart.T) < 1.2 * mosaic.shape.spacing
        longer = (np.abs(apart).max(axis=1) / np.hypot(*apart.T))[near].mean()
        side = math.sqrt(area / (1.5 * math.sqrt(3)))
        expected = 3 * side * longer * IMAGE_SIZE**2 / area
        assert draw_borders(rasterise(mosaic)).sum() == pytest.approx(expected, rel=0.08)


def test_soft_borders(scenes: list[Scene], labels: list[Label]) -> None:
    for scene, label in zip(scenes, labels, strict=True):
        expected = 255 * np.exp(-0.5 * (scene.raster.border / SOFT_WIDTH) ** 2)
        np.testing.assert_allclose(label.soft, expected, atol=0.51)
        assert label.soft[label.borders > 0].mean() > 240


# Instances


@given(
    seed=st.integers(0, 2**32),
    density=st.floats(700, 4500),
    cv=st.floats(0.15, 0.60),
    place=st.floats(0, 1),
)
def test_instances_are_the_pieces_between_the_borders(
    seed: int, density: float, cv: float, place: float
) -> None:
    hexagonality = Range(low=0.40 + 0.25 * place, high=0.40 + 0.25 * place)
    conditions = Conditions(density=fixed(density), cv=fixed(cv), hexagonality=hexagonality)
    (scene,) = draw_scenes(seed, 1, conditions)
    label = scene.label()
    assert set(np.unique(label.borders)) == {0, 255}
    np.testing.assert_array_equal(label.instances == 0, label.borders == 255)
    pieces, count = ndimage.label(label.borders == 0)
    assert count == len(label.cells)
    pairs = set(zip(pieces.ravel().tolist(), label.instances.ravel().tolist(), strict=True)) - {(0, 0)}
    assert len(pairs) == count  # one piece per cell, one cell per piece
    assert {cell.id for cell in label.cells} == {instance for _, instance in pairs}


def test_no_two_instances_touch_across_a_side(labels: list[Label]) -> None:
    for label in labels:
        ids = label.instances.astype(np.int64)
        for a, b in ((ids[1:], ids[:-1]), (ids[:, 1:], ids[:, :-1])):
            assert not ((a != b) & (a > 0) & (b > 0)).any()


def test_an_instance_is_in_its_cell(scenes: list[Scene], labels: list[Label]) -> None:
    for scene, label in zip(scenes, labels, strict=True):
        for cell in label.cells:
            (owner,) = set(scene.raster.owner[label.instances == cell.id].tolist())
            found = scene.mosaic.tessellation
            assert cell.area == pytest.approx(found.areas[owner], abs=1e-3)
            assert (cell.x, cell.y) == pytest.approx(tuple(found.centroids[owner]), abs=1e-3)
            assert cell.sides == found.sides[owner]


def test_dtypes_and_shapes(labels: list[Label]) -> None:
    for label in labels:
        for plane, dtype in (
            (label.borders, np.uint8),
            (label.soft, np.uint8),
            (label.instances, np.uint16),
            (label.guttae, np.uint8),
        ):
            assert plane.shape == (IMAGE_SIZE, IMAGE_SIZE)
            assert plane.dtype == dtype


# The table of cells


def whole(label: Label) -> list[int]:
    """Ids of the cells that the edge of the image does not cut."""
    edge = np.concatenate(
        [label.instances[0], label.instances[-1], label.instances[:, 0], label.instances[:, -1]]
    )
    near = {cell.id for cell in label.cells if not _well_inside(cell.x, cell.y, cell.area)}
    return [cell.id for cell in label.cells if cell.id not in set(edge.tolist()) | near]


def _well_inside(x: float, y: float, area: float) -> bool:
    radius = 1.3 * math.sqrt(area / math.pi)
    return radius < x < IMAGE_SIZE - radius and radius < y < IMAGE_SIZE - radius


def test_areas_are_the_pixels_of_a_cell_and_half_of_its_border(labels: list[Label]) -> None:
    ratios = []
    for label in labels:
        by_id = {cell.id: cell for cell in label.cells}
        for number in whole(label):
            mine = label.instances == number
            ring = ndimage.binary_dilation(mine, np.ones((3, 3))) & (label.borders > 0)
            ratios.append((mine.sum() + 0.5 * ring.sum()) / by_id[number].area)
    assert len(ratios) > 300
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.03)
    assert np.std(ratios) < 0.08


def test_centroids_are_where_the_instances_are(labels: list[Label]) -> None:
    away = []
    for label in labels:
        by_id = {cell.id: cell for cell in label.cells}
        for number in whole(label):
            rows, columns = np.nonzero(label.instances == number)
            cell = by_id[number]
            away.append((columns.mean() + 0.5 - cell.x, rows.mean() + 0.5 - cell.y))
    assert np.abs(np.mean(away, axis=0)).max() < 0.05
    assert np.hypot(*np.array(away).T).mean() < 0.4


def test_neighbours_are_mutual_and_touch(labels: list[Label]) -> None:
    missing, total = 0, 0
    for label in labels:
        by_id = {cell.id: cell for cell in label.cells}
        for cell in label.cells:
            assert list(cell.neighbours) == sorted(set(cell.neighbours))
            assert cell.id not in cell.neighbours
            assert len(cell.neighbours) <= cell.sides
            assert all(cell.id in by_id[other].neighbours for other in cell.neighbours)
        for number in whole(label):
            near = ndimage.binary_dilation(label.instances == number, iterations=3)
            touching = set(label.instances[near].tolist()) - {0, number}
            missing += len(set(by_id[number].neighbours) - touching)
            total += len(by_id[number].neighbours)
    assert missing < 0.02 * total  # a border shorter than a pixel may be hidden by its ends


def test_whole_cells_show_all_their_neighbours(labels: list[Label]) -> None:
    for label in labels:
        by_id = {cell.id: cell for cell in label.cells}
        shown = [len(by_id[number].neighbours) == by_id[number].sides for number in whole(label)]
        assert np.mean(shown) > 0.9 if shown else True


# What is measured


def test_what_is_measured_follows_from_the_table(labels: list[Label]) -> None:
    for label in labels:
        counted = [cell for cell in label.cells if cell.counted]
        areas = np.array([cell.area for cell in counted])
        measured = label.measured
        assert measured.cells == len(counted)
        square_millimetres = (IMAGE_SIZE * label.asked.pixel_size / 1000) ** 2
        assert measured.density == pytest.approx(len(counted) / square_millimetres)
        assert measured.cv == pytest.approx(areas.std() / areas.mean(), abs=1e-4)
        assert measured.hexagonality == pytest.approx(np.mean([cell.sides == 6 for cell in counted]))
        assert measured.guttae == (label.guttae > 0).mean()
        assert measured.guttae == pytest.approx(label.asked.guttae, abs=0.5 / IMAGE_SIZE**2)
        for cell in label.cells:
            assert cell.counted == (0 <= cell.x < IMAGE_SIZE and 0 <= cell.y < IMAGE_SIZE)


def test_cells_go_on_under_guttae() -> None:
    """There are somewhat fewer borders beneath them, as cells are larger there."""
    beneath, beside = [], []
    for scene in draw_scenes(21, 8, Conditions(guttae=fixed(0.4), density=fixed(2000))):
        label = scene.label()
        assert label.measured.guttae == pytest.approx(0.4, abs=1e-4)
        assert ((label.instances == 0) == (label.borders > 0)).all()
        covered = label.guttae > 0
        beneath += label.borders[covered].tolist()
        beside += label.borders[~covered].tolist()
    assert 0.7 < np.mean(beneath) / np.mean(beside) < 0.98
