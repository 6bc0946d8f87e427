"""A sample: one image under a name of its own, and a record of where it came from.

Names and files are the same in every format that has files, so sets from different calls merge.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np

from service.png import encode_pngs


def sample_name(seed: int, index: int) -> str:
    """Name a sample, such as `7-00000042`: no dot, so WebDataset takes all of it as the key.

    Names of one seed sort by index up to 99,999,999; from there on they only grow longer.
    """
    return f"{seed}-{index:08d}"


def sample_files(
    images: np.ndarray, seed: int, start: int, model: str, checkpoint_sha256: str
) -> Iterator[tuple[str, bytes]]:
    """Yield the files (name, content) of consecutive samples: for each its PNG, then its JSON record.

    The record holds what `image(checkpoint, seed, index)` needs, and nothing that varies between runs.

    Args:
        images: uint8 grey levels, shape (B, H, W).
        seed: seed of the images.
        start: index of the first image.
        model: name of the checkpoint.
        checkpoint_sha256: sha256 of the checkpoint file.
    """
    for index, png in enumerate(encode_pngs(images), start):
        name = sample_name(seed, index)
        record = {"checkpoint_sha256": checkpoint_sha256, "index": index, "model": model, "seed": seed}
        yield f"{name}.png", png
        yield f"{name}.json", json.dumps(record, sort_keys=True).encode()
