"""How large a set will be and how long it will take, from a few of its images."""

from __future__ import annotations

import time
from dataclasses import dataclass

from endotwin.generator.batch import BatchMaker
from endotwin.sets.plan import Shard
from endotwin.sets.shard import shard_pieces
from endotwin.sets.spec import SetSpec

_SAMPLE_SECONDS = 3.0


@dataclass(frozen=True)
class Estimate:
    """Bytes and seconds for one image, without the time that storage takes."""

    bytes: float
    seconds: float


def estimate(maker: BatchMaker, spec: SetSpec, shard: Shard) -> Estimate:
    """Make the beginning of a shard, three seconds of it, and forget it."""
    size = images = 0
    began = time.perf_counter()
    for batch, data in shard_pieces(maker, spec, shard):
        images += 0 if batch is None else batch.range.count
        size += len(data)
        if images and time.perf_counter() - began > _SAMPLE_SECONDS:
            break
    elapsed = time.perf_counter() - began
    return Estimate(size / images, elapsed / images)
