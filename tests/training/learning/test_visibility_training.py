"""The reader of visibility learns, and its whole numbers say what the trained network says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from endotwin.mosaic import visibility
from endotwin.mosaic.visibility import STEP, load_reader
from training.learning.visibility import CLINIC, EXPERTS, ReadImage, fit, set_threshold, write_reader


def halves(source: str, seed: int) -> ReadImage:
    """Return an image with lines in its left half alone, where an expert drew them."""
    random = np.random.default_rng(seed)
    pixels = random.normal(120.0, 2.0, (128, 128))
    pixels[::8, :64] -= 60.0
    pixels[:, :64:8] -= 60.0
    visible = np.zeros((128, 128), dtype=bool)
    visible[:, :64] = True
    return ReadImage(
        np.clip(pixels, 0, 255).astype(np.uint8), visible, np.ones_like(visible), source, False
    )


def test_the_file_says_what_the_network_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = [halves(source, seed) for seed, source in enumerate((*EXPERTS, CLINIC))]
    network = fit(images, 60)
    set_threshold(network, images)
    write_reader(network, tmp_path / "reader.safetensors", {"steps": 60})
    monkeypatch.setattr(visibility, "WEIGHTS", tmp_path / "reader.safetensors")
    load_reader.cache_clear()
    try:
        reader = load_reader()
    finally:
        load_reader.cache_clear()
    agrees = []
    for image in images:
        read = reader.read(image.pixels)
        with torch.inference_mode():
            scores = network(torch.from_numpy(image.pixels.astype(np.float32))[None, None])
        large = F.interpolate(scores, scale_factor=STEP, mode="bilinear")[0, 0].numpy() > 0
        assert (read == large).mean() > 0.98  # weights and biases are rounded
        agrees.append((read == image.visible).mean())
    assert np.mean(agrees) > 0.8
