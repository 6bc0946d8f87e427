"""The network is MONAI's BasicUNet, and windows are blended as MONAI blends them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.inferers.utils import sliding_window_inference
from monai.networks.nets.basic_unet import BasicUNet

from endotwin.segmentation.network import FEATURES, new_segmenter, standardised
from endotwin.segmentation.windows import border_probability


def test_weights_and_logits_are_those_of_monai() -> None:
    torch.manual_seed(3)
    theirs = BasicUNet(spatial_dims=2, in_channels=1, out_channels=1, features=FEATURES).eval()
    ours = new_segmenter(3)
    known, found = theirs.state_dict(), ours.state_dict()
    assert list(found) == list(known)
    assert all(torch.equal(found[name], known[name]) for name in known)
    images = torch.rand(2, 1, 64, 96)
    with torch.inference_mode():
        assert torch.equal(ours(images), theirs(images))


@pytest.mark.parametrize("size", [(100, 140), (128, 128), (200, 310)])
def test_windows_are_blended_as_by_monai(size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8)
    network = torch.nn.AvgPool2d(9, stride=1, padding=4)
    known = sliding_window_inference(
        torch.tensor(pixels, dtype=torch.float32)[None, None],
        (128, 128),
        4,
        lambda windows: torch.sigmoid(network(standardised(windows))),
        overlap=0.25,
        mode="gaussian",
        padding_mode="reflect",
    )
    assert isinstance(known, torch.Tensor)
    found = border_probability(network, pixels, "cpu")
    assert np.allclose(found, known[0, 0].numpy(), atol=1e-6)


def test_windows_of_a_local_network_make_what_it_makes_of_the_whole() -> None:
    # Both halves of every window alike: each is standardised as the whole image is.
    rows = np.tile(np.arange(32, dtype=np.uint8) * 7, 10)
    pixels = np.broadcast_to(rows[:, None], (320, 288))
    found = border_probability(torch.nn.Identity(), pixels, "cpu")
    whole = torch.sigmoid(standardised(torch.tensor(pixels.copy(), dtype=torch.float32)[None, None]))
    assert np.allclose(found, whole[0, 0].numpy(), atol=0.02)
