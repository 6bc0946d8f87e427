"""Fréchet distances with a closed form; features and their cache."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from plain_network import load_plain
from pytorch_fid.fid_score import calculate_frechet_distance

from endotwin.generator.checkpoint import load_checkpoint
from endotwin.generator.sampler import Sampler
from training.scores.fid import cached_features, features, fid_from_features, generated_features
from training.scores.inception import find_weights, load_inception
from training.scores.request import InceptionError


def whitened(n: int, dims: int, seed: int) -> np.ndarray:
    """Return rows whose mean is exactly 0 and whose covariance is exactly the identity."""
    rows = np.random.default_rng(seed).standard_normal((n, dims))
    rows -= rows.mean(axis=0)
    root = np.linalg.cholesky(np.linalg.inv(np.cov(rows, rowvar=False)))
    return rows @ root


@pytest.mark.parametrize("n", [30, 200])
def test_equal_covariances_give_the_squared_distance_of_the_means(n: int) -> None:
    rows = np.random.default_rng(1).standard_normal((n, 40)) @ np.random.default_rng(2).random((40, 40))
    shift = np.linspace(-1, 2, 40)
    assert fid_from_features(rows, rows[::-1] + shift) == pytest.approx((shift**2).sum(), rel=1e-9)


@pytest.mark.parametrize("n", [30, 200])
def test_equal_sets_have_no_distance(n: int) -> None:
    rows = np.random.default_rng(3).random((n, 50)).astype(np.float32)
    assert 0.0 <= fid_from_features(rows, rows) < 1e-9


def test_diagonal_covariances() -> None:
    first_sd, second_sd = np.linspace(0.1, 3, 20), np.linspace(2, 0.5, 20)
    first = whitened(100, 20, 4) * first_sd
    second = whitened(70, 20, 5) * second_sd + 0.25
    expected = 20 * 0.25**2 + ((first_sd - second_sd) ** 2).sum()
    assert fid_from_features(first, second) == pytest.approx(expected, rel=1e-9)


def test_agrees_with_pytorch_fid() -> None:
    rng = np.random.default_rng(6)
    mix = rng.random((64, 64))
    first = rng.gamma(1.0, size=(300, 64)) @ mix
    second = rng.gamma(1.5, size=(250, 64)) @ mix.T
    moments = [
        moment for rows in (first, second) for moment in (rows.mean(axis=0), np.cov(rows, rowvar=False))
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            expected = calculate_frechet_distance(*moments)
        except TypeError:
            pytest.skip("pytorch-fid calls sqrtm(disp=...), which this SciPy no longer has")
    assert fid_from_features(first, second) == pytest.approx(expected, rel=1e-8)
    assert fid_from_features(second, first) == pytest.approx(expected, rel=1e-8)


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(5, 3\) and \(5, 4\)"):
        fid_from_features(np.zeros((5, 3)), np.zeros((5, 4)))
    with pytest.raises(ValueError, match="two images, got 5 and 1"):
        fid_from_features(np.zeros((5, 3)), np.zeros((1, 3)))


@pytest.fixture(scope="module")
def inception() -> tuple[object, str]:
    try:
        find_weights()
    except InceptionError as error:
        pytest.skip(str(error).splitlines()[0])
    return load_inception()


def draw(n: int) -> np.ndarray:
    return np.random.default_rng(7).integers(0, 256, size=(n, 128, 128), dtype=np.uint8)


def test_features_are_in_order_whatever_the_batch(inception: tuple[object, str]) -> None:
    images = draw(5)
    done: list[int] = []
    together = features(images, inception[0], progress=done.append)
    assert together.shape == (5, 2048)
    assert together.dtype == np.float32
    assert sum(done) == 5
    pieces = features(iter([images[:3], images[3:]]), inception[0], batch=2)
    np.testing.assert_allclose(pieces, together, rtol=0, atol=1e-4)
    assert np.abs(together[0] - together[4]).max() > 0.01


def test_features_refuse_what_is_not_grey_levels(inception: tuple[object, str]) -> None:
    with pytest.raises(ValueError, match="float64"):
        features(np.zeros((2, 128, 128)), inception[0])
    with pytest.raises(ValueError, match="no images"):
        features(draw(0), inception[0])


def test_cache_gives_back_what_was_computed(tmp_path: Path) -> None:
    model, digest = load_plain()
    images = draw(2)
    found = cached_features(images, model, digest, cache=tmp_path)
    (path,) = tmp_path.iterdir()
    np.save(path, found + 1)  # what comes back now can only come from the file
    np.testing.assert_array_equal(cached_features(images, model, digest, cache=tmp_path), found + 1)
    other = cached_features(images[::-1], model, digest, cache=tmp_path)
    np.testing.assert_allclose(other, found[::-1], rtol=0, atol=1e-4)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("damage", ["truncated", "other shape", "pickle"])
def test_damaged_cache_is_computed_again(tmp_path: Path, damage: str) -> None:
    model, digest = load_plain()
    images = draw(1)
    found = cached_features(images, model, digest, cache=tmp_path)
    (path,) = tmp_path.iterdir()
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:1000])
    elif damage == "other shape":
        np.save(path, found[:, :5])
    else:
        np.save(path, np.array([{"no": "features"}], dtype=object), allow_pickle=True)
    np.testing.assert_array_equal(cached_features(images, model, digest, cache=tmp_path), found)
    np.testing.assert_array_equal(np.load(path), found)


def test_generated_images_are_known_again_by_weights_seed_and_range(
    tiny_checkpoint: Path, tmp_path: Path
) -> None:
    model, digest = load_plain()
    sampler = Sampler(load_checkpoint(tiny_checkpoint))
    found = generated_features(sampler, 5, 3, 4, model, digest, cache=tmp_path)
    images = sampler.images(5, 4, 3)
    np.testing.assert_array_equal(found, features(images, model))
    (path,) = tmp_path.iterdir()
    np.save(path, found + 1)  # what comes back now can only come from the file
    np.testing.assert_array_equal(
        generated_features(sampler, 5, 3, 4, model, digest, cache=tmp_path), found + 1
    )
    for seed, start, count in ((6, 3, 4), (5, 4, 4), (5, 3, 3)):
        other = generated_features(sampler, seed, start, count, model, digest, cache=tmp_path)
        images = sampler.images(seed, count, start)
        np.testing.assert_array_equal(other, features(images, model))
    assert len(list(tmp_path.iterdir())) == 4


def test_another_card_is_the_same_generator_and_other_weights_are_another(
    tiny_checkpoint: Path, tmp_path: Path
) -> None:
    model, digest = load_plain()
    checkpoint = load_checkpoint(tiny_checkpoint)
    found = generated_features(Sampler(checkpoint), 5, 0, 2, model, digest, cache=tmp_path)
    (path,) = tmp_path.iterdir()
    np.save(path, found + 1)
    card = checkpoint.card.model_copy(update={"description": "another one"})
    renamed = replace(checkpoint, card=card)
    again = generated_features(Sampler(renamed), 5, 0, 2, model, digest, cache=tmp_path)
    np.testing.assert_array_equal(again, found + 1)
    with torch.no_grad():
        next(iter(checkpoint.generator.parameters())).add_(0.5)
    other = generated_features(Sampler(replace(checkpoint)), 5, 0, 2, model, digest, cache=tmp_path)
    assert np.abs(other - found - 1).max() > 0.01


class _MeanLevels(torch.nn.Module):
    """As quick as can be: the mean level, 2,048 times."""

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        return [images.mean(dim=(1, 2, 3), keepdim=True).expand(-1, 2048, 1, 1)]


def test_images_are_generated_while_the_bar_moves(
    tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sampler = Sampler(load_checkpoint(tiny_checkpoint))
    events: list[int] = []
    draw = Sampler.batch

    def noted(self: Sampler, *arguments: Any) -> Any:
        events.append(0)
        return draw(self, *arguments)

    monkeypatch.setattr(Sampler, "batch", noted)
    found = generated_features(
        sampler, 5, 0, 40, _MeanLevels(), "digest", cache=None, progress=events.append
    )
    assert events == [0, 0, 32, 0, 8]
    np.testing.assert_allclose(found[:, 0], sampler.images(5, 40).mean(axis=(1, 2)) / 255, rtol=1e-5)
