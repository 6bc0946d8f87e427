from __future__ import annotations

import io
import json

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from endotwin.generator.batch import Batch
from endotwin.image_range import MAX_INDEX, MAX_SEED, ImageRange
from endotwin.samples.sample import Provenance, sample_files, sample_name

SEEDS = st.integers(0, MAX_SEED)


def test_the_name_of_the_design() -> None:
    assert sample_name(7, 42) == "7-00000042"


@given(SEEDS, st.integers(0, 10**8 - 1), st.integers(0, 10**8 - 1))
def test_names_of_a_seed_sort_by_index(seed: int, one: int, other: int) -> None:
    assert (sample_name(seed, one) < sample_name(seed, other)) == (one < other)


@given(SEEDS, st.integers(0, MAX_INDEX))
def test_a_name_says_seed_and_index_and_fits_everywhere(seed: int, index: int) -> None:
    name = sample_name(seed, index)
    assert [int(part) for part in name.split("-")] == [seed, index]
    assert "." not in name  # a WebDataset key ends at the first dot
    assert len(name) < 95  # a USTAR name has 100 bytes


def test_files_of_consecutive_samples() -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 16, 16), dtype=np.uint8)
    files = list(sample_files(Batch(ImageRange(MAX_SEED, 9, 2), images), Provenance("compact", "ab")))
    one, two = f"{MAX_SEED}-00000009", f"{MAX_SEED}-00000010"
    assert [name for name, _ in files] == [
        f"{one}.png",
        f"{one}.json",
        f"{two}.png",
        f"{two}.json",
    ]
    with Image.open(io.BytesIO(files[2][1])) as image:
        assert np.array_equal(np.asarray(image), images[1])
    assert json.loads(files[3][1]) == {
        "generator_sha256": "ab",
        "index": 10,
        "model": "compact",
        "seed": MAX_SEED,
    }
