"""The shards of a range, as a pure function of the checkpoint, the seed, the range and the format."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby
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


def shard_pieces(
    maker: BatchMaker, spec: SetSpec, shards: Sequence[Shard]
) -> Iterator[tuple[Shard, Batch | None, bytes]]:
    """Yield shards piece by piece; the bytes of each follow from the checkpoint, the spec and it alone.

    One batch is generated ahead of the one that is labelled and encoded, so memory does not grow with the
    shard.

    Args:
        maker: of the spec's checkpoint.
        spec: the set.
        shards: which of it, all of one range: its images are generated once.

    Yields:
        A shard; images, or None before its first and after its last; the bytes that they add to its file.
    """
    provenance = Provenance(spec.model, spec.generator_sha256, spec.labelling)
    archives = {shard: FORMATS[spec.format](shard.images, provenance) for shard in shards}
    for shard, archive in archives.items():
        yield shard, None, archive.head()
    with closing(maker.batches(shards[0].images, spec.labelling.conditions)) as batches:
        for batch in batches:
            for images in _runs(batch, shards[0]):
                for shard, archive in archives.items():
                    if shard.holds(images.range.start):
                        yield shard, images, archive.add(images)
                    else:
                        archive.skip(images.range)
    for shard, archive in archives.items():
        yield shard, None, archive.tail()


def _runs(batch: Batch, shard: Shard) -> Iterator[Batch]:
    """Yield the images of a batch in runs of neighbours that belong to the same part of a set."""
    first = 0
    for _, run in groupby(batch.range.indices, shard.holds):
        end = first + len(list(run))
        yield batch.part(first, end)
        first = end


def write_shards(
    maker: BatchMaker, spec: SetSpec, files: Mapping[Shard, BinaryIO], on_images: Callable[[int], None]
) -> dict[Shard, Digests]:
    """Write shards of one range to files that are open for writing.

    Args:
        maker: of the spec's checkpoint.
        spec: the set.
        files: one for each shard, empty.
        on_images: called with the number of images that were written; what it raises ends the work.
    """
    contents = {shard: hashlib.sha256() for shard in files}
    pixels = {shard: hashlib.sha256() for shard in files}
    sizes = dict.fromkeys(files, 0)
    for shard, images, data in shard_pieces(maker, spec, list(files)):
        files[shard].write(data)
        contents[shard].update(data)
        sizes[shard] += len(data)
        if images is not None:
            pixels[shard].update(images.images.tobytes())
            on_images(images.range.count)
    return {
        shard: Digests(sizes[shard], contents[shard].hexdigest(), pixels[shard].hexdigest())
        for shard in files
    }


@dataclass(frozen=True)
class Estimate:
    """Bytes and seconds for one image, without the time that storage takes."""

    bytes: float
    seconds: float


def estimate(maker: BatchMaker, spec: SetSpec, shards: Sequence[Shard]) -> Estimate:
    """Generate shards of one range for three seconds and measure; nothing is kept."""
    size = images = 0
    began = time.perf_counter()
    for _, written, data in shard_pieces(maker, spec, shards):
        images += 0 if written is None else written.range.count
        size += len(data)
        if images and time.perf_counter() - began > _SAMPLE_SECONDS:
            break
    elapsed = time.perf_counter() - began
    return Estimate(size / images, elapsed / images)
