"""Outlines of regions: drawn by OpenCV, by pycocotools and by Endotwin they are the regions again."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from pycocotools import mask as coco
from scipy import ndimage

from endotwin.samples.layouts.outlines import fill_outlines, outline_area, outlines

MAPS = arrays(
    np.uint16, array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.sampled_from((0, 1, 1, 7))
)
RING = np.array([[1, 1, 1, 1], [1, 0, 2, 1], [1, 1, 1, 1]])


def test_a_square() -> None:
    regions = np.zeros((5, 6), dtype=np.uint16)
    regions[1:3, 2:5] = 9
    (square,) = outlines(regions)[9]
    assert square.tolist() == [[5, 1], [5, 3], [2, 3], [2, 1]]
    assert outline_area(square) == 6
    (inside,) = outlines(regions, 0.25)[9]
    assert inside.tolist() == [[4.75, 1.25], [4.75, 2.75], [2.25, 2.75], [2.25, 1.25]]


def test_nothing_has_no_outline() -> None:
    assert outlines(np.zeros((4, 4), dtype=bool)) == {}


def test_a_hole_is_part_of_the_outline_around_it() -> None:
    (ring,) = outlines(RING == 1)[1]
    assert outline_area(ring) == 10
    assert np.array_equal(fill_outlines([ring], RING.shape), RING == 1)


@given(MAPS)
def test_what_is_drawn_of_them_are_the_regions(regions: np.ndarray) -> None:
    exact, inside = outlines(regions), outlines(regions, 0.05)
    assert exact.keys() == inside.keys() == set(np.unique(regions)) - {0}
    height, width = regions.shape
    for number, polygons in exact.items():
        region = regions == number
        assert len(polygons) == len(inside[number]) == ndimage.label(region)[1]
        assert sum(map(outline_area, polygons)) == region.sum()
        assert np.array_equal(fill_outlines(polygons, region.shape), region)
        assert np.array_equal(fill_outlines(inside[number], region.shape), region)
        runs = coco.frPyObjects([polygon.ravel().tolist() for polygon in polygons], height, width)
        assert np.array_equal(coco.decode(coco.merge(runs)), region)
        for scale in (1, 5, 16):
            drawn = np.zeros((height * scale, width * scale), dtype=np.uint8)
            for polygon in inside[number]:
                cv2.fillPoly(drawn, [(polygon * scale).astype(np.int32)], 1)
            assert np.array_equal(drawn, np.kron(region, np.ones((scale, scale))))


@pytest.mark.parametrize("inset", [0.0, 0.05])
def test_cells_of_different_numbers_may_touch(inset: float) -> None:
    traced = outlines(RING, inset)
    assert np.array_equal(fill_outlines(traced[2], RING.shape), RING == 2)
