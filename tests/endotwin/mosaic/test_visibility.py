"""What the reader of visibility computes, and what it says of images that nobody can read."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mosaic_draws import draw_scenes
from scipy.ndimage import gaussian_filter

from endotwin.mosaic.labels import Label, make_label
from endotwin.mosaic.visibility import (
    ACTIVATION_BITS,
    DILATIONS,
    MIDDLE_GREY,
    STEP,
    WEIGHT_BITS,
    WEIGHTS,
    load_reader,
)


def draw_cells(seed: int) -> np.ndarray:
    """Return an image whose borders anybody can draw."""
    (scene,) = draw_scenes(seed, 1)
    noise = np.random.default_rng(seed).normal(0.0, 3.0, scene.raster.border.shape)
    levels = 150.0 - 50.0 * np.exp(-0.5 * (scene.raster.border / 1.2) ** 2)
    return np.clip(gaussian_filter(levels + noise, 0.8), 0, 255).astype(np.uint8)


def test_whole_numbers_are_what_torch_computes() -> None:
    """In double precision sums of whole numbers are exact."""
    image = draw_cells(1)
    reader = load_reader()
    maps = F.pixel_unshuffle(torch.from_numpy(image)[None, None].double() - MIDDLE_GREY, STEP)
    for n, d in enumerate(DILATIONS):
        weights, biases = (torch.from_numpy(a[n]).double() for a in (reader.weights, reader.biases))
        maps = F.conv2d(F.pad(maps, (d, d, d, d), mode="replicate"), weights, biases, dilation=d)
        if n < len(DILATIONS) - 1:
            maps = torch.floor(maps / 2**WEIGHT_BITS + 0.5).clamp(0, 255)
    large = F.interpolate(maps, scale_factor=STEP, mode="bilinear", align_corners=False)[0, 0].numpy()
    np.testing.assert_array_equal(reader.read(image), large > 0)
    assert ACTIVATION_BITS + 3 == 8


def test_it_sees_cells_and_no_haze() -> None:
    shares = []
    for seed in range(4):
        image = draw_cells(seed)
        haze = np.random.default_rng(seed).normal(gaussian_filter(image.astype(float), 8.0), 1.0)
        shares.append((load_reader().read(image).mean(), load_reader().read(haze.astype(np.uint8)).mean()))
    seen, hazy = np.array(shares).T
    assert seen.mean() > 0.7
    assert hazy.mean() < 0.1
    for level in (0, 128, 255):
        assert load_reader().read(np.full((128, 128), level, dtype=np.uint8)).mean() < 0.1


def test_other_sizes_are_read() -> None:
    assert load_reader().read(np.zeros((64, 200), dtype=np.uint8)).shape == (64, 200)


def test_nothing_is_visible_under_guttae() -> None:
    (scene,) = draw_scenes(3, 1)
    label: Label = scene.label(draw_cells(3))
    assert label.visible.dtype == np.uint8
    assert set(np.unique(label.visible)) <= {0, 255}
    assert not label.visible[label.guttae > 0].any()
    with pytest.raises(ValueError, match="read off an image"):
        _ = scene.label().visible


def test_nothing_is_visible_on_a_thread_between_guttae() -> None:
    (scene,) = draw_scenes(3, 1)
    guttae = np.zeros(scene.raster.owner.shape, dtype=bool)
    guttae[:, :70] = True
    guttae[:, 30:33] = False
    label = make_label(scene.mosaic, scene.raster, guttae, scene.parameters, image=draw_cells(3))
    assert not label.visible[:, 30:33].any()
    assert (label.visible[:, 80:] > 0).mean() > 0.5


def test_its_file_is_small() -> None:
    assert WEIGHTS.stat().st_size < 1_000_000
