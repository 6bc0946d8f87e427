"""Pictures of many images: every image in its place, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from endotwin.samples.grid import draw_grid


def test_grid_holds_images_in_rows_with_white_gaps() -> None:
    images = np.stack([np.full((128, 128), 10 * k, dtype=np.uint8) for k in range(5)])
    sheet = np.asarray(draw_grid(images, columns=3))
    assert sheet.shape == (2 * 128 + 2, 3 * 128 + 2 * 2)
    for k in range(5):
        y, x = k // 3 * 130, k % 3 * 130
        assert (sheet[y : y + 128, x : x + 128] == 10 * k).all()
    assert (sheet[128:130] == 255).all()
    assert (sheet[:, 128:130] == 255).all()
    assert (sheet[130:, 260:] == 255).all()


def test_grid_of_few_images_has_no_empty_columns() -> None:
    assert draw_grid(np.zeros((2, 128, 128), dtype=np.uint8), columns=8).size == (2 * 128 + 2, 128)


@pytest.mark.parametrize(
    ("images", "columns"),
    [
        (np.zeros((0, 128, 128), dtype=np.uint8), 8),
        (np.zeros((2, 128, 128), dtype=np.float32), 8),
        (np.zeros((2, 128, 128), dtype=np.uint8), 0),
        (np.zeros((2, 128, 128, 2), dtype=np.uint8), 8),
    ],
)
def test_grid_refuses(images: np.ndarray, columns: int) -> None:
    with pytest.raises(ValueError, match="a grid needs uint8"):
        draw_grid(images, columns)


def test_images_of_different_sizes_are_at_the_top_left_of_their_places() -> None:
    sizes = [(3, 5), (6, 2), (4, 4), (1, 7)]
    images = [np.full((*size, 3), 10 * k, dtype=np.uint8) for k, size in enumerate(sizes)]
    sheet = np.asarray(draw_grid(images, 2, gap=1))
    expected = np.full((6 + 1 + 4, 5 + 1 + 7, 3), 255, dtype=np.uint8)
    for k, (top, left) in enumerate([(0, 0), (0, 6), (7, 0), (7, 6)]):
        expected[top : top + sizes[k][0], left : left + sizes[k][1]] = 10 * k
    np.testing.assert_array_equal(sheet, expected)


def test_grey_and_coloured_images_do_not_mix() -> None:
    grey, colour = np.zeros((4, 4), dtype=np.uint8), np.zeros((4, 4, 3), dtype=np.uint8)
    with pytest.raises(ValueError, match="a grid needs uint8 images"):
        draw_grid([grey, colour], 2)
