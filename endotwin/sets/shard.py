"""One shard, as a pure function of the checkpoint, the seed, the range of indices and the format."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from endotwin.generator.sampler import plan_blocks
from endotwin.samples.archives import FORMATS
from endotwin.samples.batch import Batch, make_batch
from endotwin.samples.labelling import Labelling
from endotwin.sets.plan import Shard
from endotwin.sets.source import Generator
from endotwin.sets.spec import SetSpec


@dataclass(frozen=True)
class Digests:
    """What a shard turned out to be.

    Attributes:
        size: bytes of the file.
        sha256: of the file.
        pixels_sha256: of the grey levels alone, image after image, row after row, one byte each. It does
            not depend on how images are compressed.
    """

    size: int
    sha256: str
    pixels_sha256: str


def shard_pieces(generator: Generator, spec: SetSpec, shard: Shard) -> Iterator[tuple[np.ndarray, bytes]]:
    """Yield a shard piece by piece; its bytes follow from the checkpoint, the spec and the shard alone.

    The device generates one batch ahead of the one that is labelled and encoded, so memory does not grow
    with the shard.

    Args:
        generator: of the spec's checkpoint.
        spec: the set.
        shard: which part of it.

    Yields:
        images, uint8 grey levels (0..16, 128, 128), and the bytes of the file that they and
        their labels add.
    """
    nothing = np.empty((0, 0, 0), np.uint8)
    labelling = spec.labelling
    with closing(
        FORMATS[spec.format](
            spec.seed, shard.start, shard.samples, spec.model, spec.checkpoint_sha256, labelling
        )
    ) as archive:
        yield nothing, archive.head()
        for batch in _batches(generator, spec.seed, shard, labelling):
            yield batch.images, archive.add(batch.images, batch.labels())
        for piece in archive.held_back():
            yield nothing, piece
        yield nothing, archive.tail()


def write_shard(
    generator: Generator,
    spec: SetSpec,
    shard: Shard,
    file: BinaryIO,
    on_images: Callable[[int], None],
) -> Digests:
    """Write a shard to a file that is open for writing.

    Args:
        generator: of the spec's checkpoint.
        spec: the set.
        shard: which part of it.
        file: empty.
        on_images: is told after every batch how many images it held; what it raises ends the work.
    """
    content, pixels, size = hashlib.sha256(), hashlib.sha256(), 0
    for images, data in shard_pieces(generator, spec, shard):
        file.write(data)
        content.update(data)
        pixels.update(images.tobytes())
        size += len(data)
        on_images(len(images))
    return Digests(size, content.hexdigest(), pixels.hexdigest())


def _batches(generator: Generator, seed: int, shard: Shard, labelling: Labelling) -> Iterator[Batch]:
    ahead: tuple[Future[Batch], int, int] | None = None
    try:
        for block, first, last in plan_blocks(shard.start, shard.samples):
            coming = generator.thread.submit(make_batch, generator.source, seed, block, labelling)
            current, ahead = ahead, (coming, first, last)
            if current is not None:
                yield current[0].result().part(current[1], current[2])
        if ahead is not None:
            yield ahead[0].result().part(ahead[1], ahead[2])
    finally:
        if ahead is not None:
            ahead[0].cancel()
