"""Which images each draw holds: the first draw is the recorded one, and no two share images."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from made_up_images import write_blobs
from plain_network import load_plain

from endotwin.generator.checkpoint import load_checkpoint
from training.data.crops import draw_crops
from training.data.split import ImageFolder, load_dataset
from training.scores import image_sets
from training.scores.comparisons import COMPARISONS, pair_of
from training.scores.image_sets import DRAWS, ImageSets, draw_training_crops

COUNT = 6


@pytest.fixture(scope="module")
def sets(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ImageSets]:
    folder = tmp_path_factory.mktemp("data") / "made-up"
    write_blobs(folder)
    dataset = load_dataset([ImageFolder(folder)], validation_share=0.2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(image_sets, "load_inception", load_plain)
        yield ImageSets(
            load_checkpoint(tiny_checkpoint), dataset, count=COUNT, seed=5, cache=None, quiet=True
        )


def test_every_set_follows_from_the_seed_as_documented(sets: ImageSets) -> None:
    parts = {"training": (1, 2, 5), "held_out": (3, 6, 7)}
    sources = {"training": sets.dataset.training, "held_out": sets.dataset.held_out}
    for draw in range(DRAWS):
        expected = sets.sampler.images(5, COUNT, draw * COUNT)
        np.testing.assert_array_equal(sets.images("generated", draw), expected)
        for name in ("training", "held_out"):
            rng = np.random.default_rng([5, parts[name][draw]])
            np.testing.assert_array_equal(sets.images(name, draw), draw_crops(sources[name], COUNT, rng))
        noise = np.random.default_rng([5, 4]).integers(0, 256, size=(COUNT, 128, 128), dtype=np.uint8)
        np.testing.assert_array_equal(sets.images("noise", draw), noise)
    np.testing.assert_array_equal(
        draw_training_crops(sets.dataset, COUNT, 5, 2), sets.images("training", 2)
    )


@pytest.mark.parametrize("name", ["generated", "training", "held_out", "noise"])
def test_a_limit_gives_the_first_of_the_same_images(sets: ImageSets, name: str) -> None:
    np.testing.assert_array_equal(sets.images(name, 1, limit=2), sets.images(name, 1)[:2])
    np.testing.assert_array_equal(sets.images(name, 1, limit=COUNT + 9), sets.images(name, 1))


def test_the_first_draw_is_the_recorded_one() -> None:
    assert pair_of("generated_training", 0) == (("generated", 0), ("training", 0))
    assert pair_of("real_real", 0) == (("training", 0), ("training", 1))
    assert pair_of("real_held_out", 0) == (("training", 0), ("held_out", 0))
    assert pair_of("noise_real", 0) == (("noise", 0), ("training", 0))


@pytest.mark.parametrize("name", COMPARISONS)
def test_no_draw_compares_a_set_with_itself_or_what_another_did(name: str) -> None:
    pairs = [pair_of(name, draw) for draw in range(DRAWS)]
    assert all(first != second for first, second in pairs)
    assert len({frozenset(pair) for pair in pairs}) == DRAWS
