"""A segmenter without training: images that show border probabilities, dark where a border is."""

from __future__ import annotations

import numpy as np
import torch
from made_up_mosaics import hexagon_sites, lines_between, nearest_site
from scipy import ndimage
from torch import nn

from endotwin.segmentation.card import Learning, SegmenterCard, TrainingSet
from endotwin.segmentation.segmenter import Segmenter


class Darkness(nn.Module):
    """Sees a border wherever an image is darker than its mean."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return -10 * images


def card(side: float = 20.0) -> SegmenterCard:
    return SegmenterCard(
        description="drawn",
        created="2026-11-28",
        training_set=TrainingSet(
            name="set",
            images=100,
            validation=10,
            sha256="ab" * 32,
            model="labelled",
            generator_sha256="cd" * 32,
            seed=1,
            conditions={"expert_hand": "true"},
            cell_side=side,
        ),
        learning=Learning(
            method="none",
            steps=0,
            best_step=0,
            loss=0.0,
            ended="no gain",
            seconds=0.0,
            seed=0,
            device="cpu",
            versions={},
        ),
        terms="none",
    )


def drawn_segmenter() -> Segmenter:
    return Segmenter(Darkness(), card())


def hexagons(spacing: float, height: int, width: int, jitter: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Return cells, int (H, W), and their drawing, uint8 (H, W): borders three pixels wide, 0 on 255."""
    sites = hexagon_sites(spacing, height, width)
    labels = nearest_site(
        sites + np.random.default_rng(0).normal(0, jitter or 1e-3, sites.shape), height, width
    )
    bands = ndimage.binary_dilation(lines_between(labels), np.ones((3, 3), dtype=bool))
    return labels, np.where(bands, np.uint8(0), np.uint8(255))
