"""Random crops: shares, places, mirroring."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from made_up_images import blobs, level, load_folders, write

from training.data.crops import draw_crops
from training.data.split import GreyImage, ImageFolder


def test_folders_have_the_share_of_crops_that_their_weights_say(tmp_path: Path) -> None:
    """Whatever the number and size of their images, and whichever of them are held out."""
    write(tmp_path / "one", "a.png", level(10))
    for k in range(6):
        write(tmp_path / "many", f"{k}.png", level(100 + k, 130 + 90 * k, 200))
    write(tmp_path / "few", "a.png", level(200, 600, 600))
    write(tmp_path / "few", "b.png", level(201, 130, 130))
    weights = {"one": 1.0, "many": 3.0, "few": 0.5}
    dataset = load_folders(*(ImageFolder(tmp_path / name, weight) for name, weight in weights.items()))
    for side in (dataset.training, dataset.held_out):
        for name in {image.source for image in side}:
            assert sum(i.weight for i in side if i.source == name) == pytest.approx(weights[name])
    count = 8_000
    crops = draw_crops(dataset.training, count, np.random.default_rng(1))
    drawn = Counter(int(grey) // 50 for grey in crops[:, 0, 0])
    for name, place in (("one", 0), ("many", 2), ("few", 4)):
        share = weights[name] / 4.5
        assert abs(drawn[place] / count - share) < 5 * (share * (1 - share) / count) ** 0.5, name
    # Within a folder, an image's share is that of its area.
    many = [image for image in dataset.training if image.source == "many"]
    area = sum(image.pixels.size for image in many)
    for image in many:
        share = 3.0 / 4.5 * image.pixels.size / area
        found = float((crops[:, 0, 0] == image.pixels[0, 0]).mean())
        assert abs(found - share) < 5 * (share * (1 - share) / count) ** 0.5


def corner_image() -> GreyImage:
    """Return an image, 140 × 150, of which every place has a crop of its own."""
    y, x = np.mgrid[:140, :150]
    return GreyImage((y + x // 2).astype(np.uint8), "made-up", "a.png", 1.0)


def test_crops_come_from_every_place_as_often() -> None:
    y, x = np.mgrid[:140, :150]
    rows = GreyImage(y.astype(np.uint8), "made-up", "rows.png", 1.0)
    columns = GreyImage(x.astype(np.uint8), "made-up", "columns.png", 1.0)
    count = 6_000
    for image, places in ((rows, 13), (columns, 23)):
        crops = draw_crops([image], count, np.random.default_rng(2), flips=False)
        found = Counter(crops[:, 0, 0].tolist())
        assert set(found) == set(range(places))
        expected = count / places
        chi_square = sum((n - expected) ** 2 / expected for n in found.values())
        degrees = places - 1
        assert abs(chi_square - degrees) < 5 * (2 * degrees) ** 0.5


def test_crops_are_mirrored_either_way_half_of_the_time() -> None:
    pixels = np.zeros((128, 128), dtype=np.uint8)
    pixels[:64, 64:], pixels[64:, :64], pixels[64:, 64:] = 1, 2, 3
    crops = draw_crops([GreyImage(pixels, "made-up", "a.png", 1.0)], 4_000, np.random.default_rng(3))
    found = Counter((int(crop[0, 0]), int(crop[0, -1]), int(crop[-1, 0])) for crop in crops)
    assert set(found) == {(0, 1, 2), (1, 0, 3), (2, 3, 0), (3, 2, 1)}
    assert all(abs(n - 1_000) < 5 * (4_000 * 0.25 * 0.75) ** 0.5 for n in found.values())


def test_without_flips_a_crop_is_a_piece_of_the_image() -> None:
    image = corner_image()
    pieces = np.lib.stride_tricks.sliding_window_view(image.pixels, (128, 128)).reshape(-1, 128, 128)
    known = {piece.tobytes() for piece in pieces}
    for crop in draw_crops([image], 50, np.random.default_rng(4), flips=False):
        assert crop.tobytes() in known


def test_the_same_generator_draws_the_same_crops() -> None:
    images = [corner_image(), GreyImage(blobs(5), "made-up", "b.png", 2.0)]
    one, two, other = (draw_crops(images, 20, np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert one.dtype == np.uint8
    assert one.shape == (20, 128, 128)
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, other)
