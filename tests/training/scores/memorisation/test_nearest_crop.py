"""The nearest crop: what still counts as a copy, what does not, and that the fast search finds it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from made_up_cells import picture
from scipy import ndimage

from training.data.crops import draw_crops
from training.data.split import ImageFolder, load_dataset
from training.scores.memorisation.nearest_crop import (
    MIRRORINGS,
    find_nearest_crops,
    mirrored,
    structure,
)

AMONG = [picture(seed, height, width) for seed, (height, width) in enumerate([(150, 201), (171, 140)])]


def brute_force(images: np.ndarray, among: list[np.ndarray]) -> np.ndarray:
    """Return the similarity to the nearest crop by comparing every crop, one by one, as defined."""
    best = np.full(len(images), -1.0)
    own = np.stack([structure(image).ravel() for image in images]).astype(np.float64)
    own /= np.linalg.norm(own, axis=1, keepdims=True)
    for pixels in among:
        for k in range(len(MIRRORINGS)):
            whole = mirrored(structure(pixels), k).astype(np.float64)
            windows = np.lib.stride_tricks.sliding_window_view(whole, (112, 112))
            for row in windows:
                crops = row.reshape(len(row), -1)
                products = crops @ own.T / np.linalg.norm(crops, axis=1)[:, None]
                best = np.maximum(best, products.max(axis=0))
    return best


def test_the_coarse_search_finds_what_a_search_of_every_place_finds() -> None:
    rng = np.random.default_rng(0)
    others = [picture(seed, 128, 128) for seed in range(10, 20)]
    noise = rng.integers(0, 256, size=(2, 128, 128), dtype=np.uint8)
    images = np.concatenate([np.stack(others), noise, [AMONG[1][17:145, 5:133]]])
    found = find_nearest_crops(images, AMONG).similarity
    exact = brute_force(images, AMONG)
    assert (found <= exact + 1e-5).all()
    short = exact - found
    assert np.median(short) < 1e-5
    assert short.max() < 0.03
    assert short[-1] < 1e-5


@pytest.mark.parametrize("mirroring", range(4), ids=MIRRORINGS)
@pytest.mark.parametrize(("top", "left"), [(0, 0), (43, 12), (7, 5), (22, 9)])
def test_a_copy_is_found_at_its_place(top: int, left: int, mirroring: int) -> None:
    crop = mirrored(AMONG[1][top : top + 128, left : left + 128], mirroring)
    found = find_nearest_crops(crop[None], AMONG)
    assert found.similarity[0] > 0.98
    assert (found.image[0], found.top[0], found.left[0]) == (1, top, left)
    assert found.mirroring[0] == mirroring
    assert found.by_image[0].argmax() == 1
    assert found.crops == 4 * (23 * 74 + 44 * 13)


def disturbed(crop: np.ndarray) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    grey = crop.astype(float)
    across = np.linspace(0.5, 1.0, 128)
    return {
        "darker and flatter": 0.6 * grey + 20,
        "light from one side": grey * across,
        "blurred": ndimage.gaussian_filter(grey, 1.5),
        "half a pixel off": ndimage.shift(grey, (0.5, 0.5), order=1, mode="nearest"),
        "noisy": grey + rng.normal(0, 10, grey.shape),
        "shifted as by augmentation": np.pad(grey, 12, mode="reflect")[4:132, 20:148],
    }


CROP = AMONG[0][11:139, 40:168]
INDEPENDENT = np.stack([picture(seed, 128, 128) for seed in range(20, 32)])


@pytest.mark.parametrize("name", list(disturbed(CROP)))
def test_a_disturbed_copy_is_nearer_than_any_other_mosaic(name: str) -> None:
    image = disturbed(CROP)[name].clip(0, 255).astype(np.uint8)
    found = find_nearest_crops(np.concatenate([[image], INDEPENDENT]), AMONG)
    assert found.image[0] == 0
    assert found.similarity[0] > 0.6
    assert found.similarity[0] > found.similarity[1:].max() + 0.1


def test_flat_images_are_near_to_nothing() -> None:
    flat = np.full((1, 128, 128), 90, dtype=np.uint8)
    assert abs(find_nearest_crops(flat, AMONG).similarity[0]) < 1e-3
    assert abs(find_nearest_crops(CROP[None], [np.full((140, 150), 90, np.uint8)]).similarity[0]) < 1e-3


def test_threads_change_nothing() -> None:
    images = np.concatenate([INDEPENDENT, INDEPENDENT[:, ::-1]])
    one, two = (find_nearest_crops(images, AMONG, workers=workers) for workers in (1, 2))
    assert np.array_equal(one.similarity, two.similarity)
    assert np.array_equal(one.by_image, two.by_image)


def test_progress_counts_every_comparison() -> None:
    done: list[int] = []
    find_nearest_crops(np.concatenate([INDEPENDENT] * 2), AMONG, progress=done.append)
    assert sum(done) == 2 * len(INDEPENDENT) * len(AMONG)


def test_real_crops_are_found_in_their_images(real_data: Path) -> None:
    dataset = load_dataset([ImageFolder(real_data / "gavet")])
    few = dataset.training[:4]
    crops = draw_crops(few, 12, np.random.default_rng(0))
    noisy = (
        (crops * 0.8 + np.random.default_rng(1).normal(20, 5, crops.shape)).clip(0, 255).astype(np.uint8)
    )
    found = find_nearest_crops(noisy, [image.pixels for image in few])
    assert found.similarity.min() > 0.8
