"""A shard is a pure function."""

from __future__ import annotations

import dataclasses
import hashlib
import io

import numpy as np
import pytest
from set_tools import Workshop

from endotwin.generator.sampler import BATCH, Sampler
from endotwin.samples.archives import FORMATS
from endotwin.sets.plan import plan_set
from endotwin.sets.shard import shard_pieces, write_shard


@pytest.mark.parametrize("kind", ["tar", "zip"])
@pytest.mark.parametrize("start", [0, 5])
def test_a_shard_is_the_archive_of_its_images(kind: str, start: int, workshop: Workshop) -> None:
    spec = workshop.spec(n=70, start=start, shard_size=40, format=kind)
    shard = plan_set(spec)[1]
    images = np.concatenate(list(Sampler(workshop.checkpoint).images(7, start + 40, 30)))
    archive = FORMATS[kind](7, start + 40, 30, spec.model, spec.checkpoint_sha256)
    expected = archive.head() + archive.add(images) + archive.tail()
    file, told = io.BytesIO(), []
    digests = write_shard(workshop.generator, spec, shard, file, told.append)
    assert file.getvalue() == expected
    assert digests.size == len(expected)
    assert digests.sha256 == hashlib.sha256(expected).hexdigest()
    assert digests.pixels_sha256 == hashlib.sha256(images.tobytes()).hexdigest()
    assert sum(told) == 30


def test_the_device_is_one_batch_ahead_and_no_more(workshop: Workshop) -> None:
    asked = []

    class Source:
        def batch(self, seed: int, block: int) -> np.ndarray:
            asked.append(block)
            return workshop.generator.source.batch(seed, block)

    spec = workshop.spec(n=10 * BATCH, shard_size=10 * BATCH)
    generator = dataclasses.replace(workshop.generator, source=Source())
    pieces = shard_pieces(generator, spec, plan_set(spec)[0])
    next(pieces)  # the head
    for taken in range(1, 6):
        next(pieces)
        assert len(asked) <= taken + 1


def test_a_failure_of_the_device_is_raised(workshop: Workshop) -> None:
    class Broken:
        def batch(self, seed: int, block: int) -> np.ndarray:
            if block == 1:
                raise RuntimeError("out of memory")
            return workshop.generator.source.batch(seed, block)

    spec = workshop.spec()
    generator = dataclasses.replace(workshop.generator, source=Broken())
    with pytest.raises(RuntimeError, match="out of memory"):
        write_shard(generator, spec, plan_set(spec)[0], io.BytesIO(), lambda _: None)
