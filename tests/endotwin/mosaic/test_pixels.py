"""The compiled loops over pixels, against scipy."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import ndimage

from endotwin.mosaic.pixels import label_pieces


@given(arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=24), elements=st.booleans()))
def test_pieces_are_numbered_as_scipy_does(mask: np.ndarray) -> None:
    expected, expected_count = ndimage.label(mask)
    piece, count = label_pieces(mask)
    assert count == expected_count
    np.testing.assert_array_equal(piece, expected)


def test_one_piece_may_wind_through_the_whole_mask() -> None:
    mask = np.ones((128, 128), dtype=bool)
    mask[1::4, :-1] = False
    mask[3::4, 1:] = False
    piece, count = label_pieces(mask)
    assert count == 1
    np.testing.assert_array_equal(piece, mask)
