"""One shard, as a pure function of the checkpoint, the seed, the range of indices and the format."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import BinaryIO

from endotwin.generator.batch import Batch, BatchMaker
from endotwin.samples.formats import FORMATS
from endotwin.samples.sample import Provenance
from endotwin.sets.plan import Shard
from endotwin.sets.spec import SetSpec

_SAMPLE_SECONDS = 3.0


@dataclass(frozen=True)
class Digests:
    """Size and digests of a shard.

    Attributes:
        size: bytes of the file.
        sha256: of the file.
        pixels_sha256: of the grey levels alone, image after image, row after row, one byte each. It does
            not depend on how images are compressed.
    """

    size: int
    sha256: str
    pixels_sha256: str


def shard_pieces(maker: BatchMaker, spec: SetSpec, shard: Shard) -> Iterator[tuple[Batch | None, bytes]]:
    """Yield a shard piece by piece; its bytes follow from the checkpoint, the spec and the shard alone.

    One batch is generated ahead of the one that is labelled and encoded, so memory does not grow with the
    shard.

    Args:
        maker: of the spec's checkpoint.
        spec: the set.
        shard: which part of it.

    Yields:
        A batch, or None before the first and after the last, and the bytes of the file that it adds.
    """
    provenance = Provenance(spec.model, spec.generator_sha256, spec.labelling)
    archive = FORMATS[spec.format](shard.images, provenance)
    yield None, archive.head()
    with closing(maker.batches(shard.images, spec.labelling.conditions)) as batches:
        for batch in batches:
            yield batch, archive.add(batch)
    yield None, archive.tail()


def write_shard(
    maker: BatchMaker, spec: SetSpec, shard: Shard, file: BinaryIO, on_images: Callable[[int], None]
) -> Digests:
    """Write a shard to a file that is open for writing.

    Args:
        maker: of the spec's checkpoint.
        spec: the set.
        shard: which part of it.
        file: empty.
        on_images: called after every batch with its number of images; what it raises ends the work.
    """
    content, pixels, size = hashlib.sha256(), hashlib.sha256(), 0
    for batch, data in shard_pieces(maker, spec, shard):
        file.write(data)
        content.update(data)
        size += len(data)
        if batch is not None:
            pixels.update(batch.images.tobytes())
            on_images(batch.range.count)
    return Digests(size, content.hexdigest(), pixels.hexdigest())


@dataclass(frozen=True)
class Estimate:
    """Bytes and seconds for one image, without the time that storage takes."""

    bytes: float
    seconds: float


def estimate(maker: BatchMaker, spec: SetSpec, shard: Shard) -> Estimate:
    """Generate a shard for three seconds and measure; nothing is kept."""
    size = images = 0
    began = time.perf_counter()
    for batch, data in shard_pieces(maker, spec, shard):
        images += 0 if batch is None else batch.range.count
        size += len(data)
        if images and time.perf_counter() - began > _SAMPLE_SECONDS:
            break
    elapsed = time.perf_counter() - began
    return Estimate(size / images, elapsed / images)
