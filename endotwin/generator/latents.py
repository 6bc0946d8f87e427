"""The random numbers behind an image: counter-based, so that any index can be drawn on its own.

`draw_normals` is one half of the contract `image(checkpoint, seed, index)`: the numbers of an index
depend on nothing but the seed, the index and how many numbers the network takes.
"""

from __future__ import annotations

import math

import numpy as np
import torch

MAX_SEED = 2**64 - 1
MAX_INDEX = 2**53 - 1
"""Largest image index: the largest integer that every JSON reader keeps exact."""

_NORMALS_PER_BLOCK = 8  # a Philox4x64 block is four 64-bit words, each of which makes two numbers


def draw_normals(seed: int, start: int, count: int, draws: int) -> np.ndarray:
    """Draw `draws` standard normal numbers for each of `count` consecutive image indices.

    Philox4x64-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011) with the
    seed as its key and the image index as the high part of its counter gives 32-bit words; each word
    k becomes the normal quantile of (k + 0.5) / 2**32. One word in, one number out: no rejection, so
    index i never depends on how many numbers an earlier index consumed.

    Args:
        seed: 0 to 2**64 - 1.
        start: first image index, 0 to 2**53 - 1.
        count: number of images, at least 1.
        draws: numbers per image, at least 1.

    Returns:
        float32, shape (count, draws), values within about ±6.4.

    Raises:
        ValueError: an argument is out of range.
    """
    if not 0 <= seed <= MAX_SEED:
        raise ValueError(f"seed must be from 0 to {MAX_SEED}, got {seed}")
    if count < 1 or draws < 1:
        raise ValueError(f"count and draws must be at least 1, got {count} and {draws}")
    if not (start >= 0 and start + count - 1 <= MAX_INDEX):
        raise ValueError(f"image indices must be from 0 to {MAX_INDEX}, got {start} and {count} more")
    blocks = -(-draws // _NORMALS_PER_BLOCK)
    bit_generator = np.random.Philox(key=seed, counter=start * blocks)
    # Little-endian on every machine: the low half of a 64-bit word comes first.
    words = bit_generator.random_raw(count * blocks * 4).astype("<u8").view("<u4")
    words = words.reshape(count, blocks * _NORMALS_PER_BLOCK)[:, :draws]
    uniform = (torch.from_numpy(words.astype(np.float64)) + 0.5) / 2.0**32
    normal: np.ndarray = torch.special.ndtri(uniform).to(torch.float32).numpy()
    return normal


def to_uniform(normal: float) -> float:
    """Turn a standard normal number into one that is uniform in 0..1: its share of the distribution."""
    return 0.5 * math.erfc(-float(normal) / math.sqrt(2.0))
