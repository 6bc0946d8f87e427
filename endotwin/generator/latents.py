"""The random numbers behind an image: counter-based, so that any index can be drawn on its own.

`draw_normals` is one half of the contract `image(checkpoint, seed, index)`: the numbers of an index
depend on nothing but the seed, the index and how many numbers the network takes.
"""

from __future__ import annotations

import math

import numpy as np

from endotwin.field_size import STANDARD, FieldSize
from endotwin.image_range import ImageRange

STREAM_OF_HAND = 1
FIRST_STREAM_OF_APPEARANCES = 2
"""Streams of random numbers beside 0: that of an expert's hand, and that of appearance 1, from which on
each appearance has its own."""

_NORMALS_PER_BLOCK = 8  # a Philox4x64 block is four 64-bit words, each of which makes two numbers


def draw_normals(images: ImageRange, draws: int, stream: int = 0) -> np.ndarray:
    """Draw `draws` standard normal numbers for each image of a range.

    Philox4x64-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011) with the
    seed as its key and the image index as the high part of its counter gives 32-bit words; each word
    k becomes the normal quantile of (k + 0.5) / 2**32. One word in, one number out: no rejection, so
    index i never depends on how many numbers an earlier index consumed.

    Args:
        images: which images.
        draws: numbers per image, at least 1.
        stream: 0 or more; another one has other numbers, independent of these.

    Returns:
        float32, shape (images.count, draws), values within about ±6.4.

    Raises:
        ValueError: `draws` is out of range.
    """
    import torch  # noqa: PLC0415

    if draws < 1:
        raise ValueError(f"draws must be at least 1, got {draws}")
    blocks = -(-draws // _NORMALS_PER_BLOCK)
    bit_generator = np.random.Philox(key=images.seed + (stream << 64), counter=images.start * blocks)
    # Little-endian on every machine: the low half of a 64-bit word comes first.
    words = bit_generator.random_raw(images.count * blocks * 4).astype("<u8").view("<u4")
    words = words.reshape(images.count, blocks * _NORMALS_PER_BLOCK)[:, :draws]
    uniform = (torch.from_numpy(words.astype(np.float64)) + 0.5) / 2.0**32
    normal: np.ndarray = torch.special.ndtri(uniform).to(torch.float32).numpy()
    return normal


def size_stream(size: FieldSize) -> int:
    """Return the first of the streams of random numbers of a size: no two sizes share numbers."""
    return 0 if size == STANDARD else size.width << 32 | size.height << 16


def to_uniform(normal: float) -> float:
    """Return the quantile of a standard normal number, uniform in 0..1."""
    return 0.5 * math.erfc(-float(normal) / math.sqrt(2.0))
