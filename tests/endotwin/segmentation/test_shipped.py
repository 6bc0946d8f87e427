"""The segmenter that ships: its card, and that it finds cells where there are some and none in noise."""

from __future__ import annotations

import numpy as np

import endotwin
from endotwin.segmentation.cells import cells_from_borders
from endotwin.segmentation.certain_cells import cut_by_edge
from endotwin.segmentation.segmenter import SHIPPED, load_segmenter
from training.trial.borders import thick
from training.trial.cell_matches import match_cells


def test_the_card_says_what_it_learned_from_and_how_good_it_is() -> None:
    assert SHIPPED.stat().st_size < 5_000_000
    card = load_segmenter().card
    assert card.training_set.model == "labelled"
    assert card.training_set.conditions == {"expert_hand": "true"}
    real = {score.name: score for score in card.scores if score.real}
    assert set(real) == {"gavet", "cwru", "strip", "clinic", "alizarine", "confocal"}
    assert all(0.3 < score.f1 <= 1 for score in real.values())
    notice = "\n".join(card.notice())
    assert "not for diagnosis" in notice
    assert "synthetic images" in notice
    assert all(f"{name} {score.f1:.2f}" in notice for name, score in real.items())


def test_most_cells_of_generated_images_are_found() -> None:
    model = endotwin.load("labelled", device="cpu")
    scores, kept = [], []
    for sample in model.samples(seed=4, count=4, labels=["instances"], guttae=0, clarity=(12, 25)):
        known = thick(sample.labels["instances"] == 0)
        found = endotwin.segment(sample.image, scale=1)
        true = cells_from_borders(known)
        uncut = ~cut_by_edge(true)[true]
        scores.append(match_cells(found.basins, true, uncut).f1)
        kept.append(found.evaluated)
    assert np.mean(scores) > 0.75
    assert np.mean(kept) > 0.6


def test_in_noise_and_shapes_nothing_is_counted() -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (256, 320), dtype=np.uint8)
    rows, columns = np.indices(noise.shape)
    disc = np.where((rows - 120) ** 2 + (columns - 150) ** 2 < 80**2, np.uint8(200), np.uint8(60))
    for image in (noise, disc):
        found = endotwin.segment(image, pixel_size=0.9)
        assert found.evaluated < 0.3
        assert found.warnings
