"""A shard is a pure function."""

from __future__ import annotations

import dataclasses
import hashlib
import io
from pathlib import Path

import pytest
from set_tools import Workshop

from endotwin.generator.batch import Batch
from endotwin.generator.sampler import Sampler
from endotwin.image_range import BATCH, ImageRange
from endotwin.mosaic.parameters import Conditions
from endotwin.samples.formats import FORMATS
from endotwin.samples.sample import Provenance
from endotwin.sets.plan import plan_set
from endotwin.sets.shard import shard_pieces, write_shards
from endotwin.sets.shard_maker import ShardMaker
from endotwin.sets.storage.destination import StorageError
from endotwin.sets.storage.folder import FolderDestination, StagedFile


@pytest.mark.parametrize("kind", ["tar", "zip"])
@pytest.mark.parametrize("start", [0, 5])
def test_a_shard_is_the_archive_of_its_images(kind: str, start: int, workshop: Workshop) -> None:
    spec = workshop.spec(n=70, start=start, shard_size=40, format=kind)
    shard = plan_set(spec)[1]
    images = Sampler(workshop.checkpoint).images(7, 30, start + 40)
    archive = FORMATS[kind](shard.images, Provenance(spec.model, spec.generator_sha256))
    expected = archive.head() + archive.add(Batch(shard.images, images)) + archive.tail()
    file, counts = io.BytesIO(), []
    digests = write_shards(workshop.maker, spec, {shard: file}, counts.append)[shard]
    assert file.getvalue() == expected
    assert digests.size == len(expected)
    assert digests.sha256 == hashlib.sha256(expected).hexdigest()
    assert digests.pixels_sha256 == hashlib.sha256(images.tobytes()).hexdigest()
    assert sum(counts) == 30


def test_the_device_is_one_batch_ahead_and_no_more(workshop: Workshop) -> None:
    asked = []

    def make(part: ImageRange, conditions: Conditions | None) -> Batch:
        asked.append(part)
        return workshop.maker.make(part, conditions)

    spec = workshop.spec(n=10 * BATCH, shard_size=10 * BATCH)
    maker = dataclasses.replace(workshop.maker, make=make)
    pieces = shard_pieces(maker, spec, plan_set(spec)[:1])
    next(pieces)  # the head
    for taken in range(1, 6):
        next(pieces)
        assert len(asked) <= taken + 1


def test_a_failure_of_the_device_is_raised(workshop: Workshop) -> None:
    def make(part: ImageRange, conditions: Conditions | None) -> Batch:
        if part.start == BATCH:
            raise RuntimeError("out of memory")
        return workshop.maker.make(part, conditions)

    spec = workshop.spec()
    maker = dataclasses.replace(workshop.maker, make=make)
    with pytest.raises(RuntimeError, match="out of memory"):
        write_shards(maker, spec, {plan_set(spec)[0]: io.BytesIO()}, lambda _: None)


def test_a_shard_that_cannot_be_published_ends_the_one_that_is_generated(
    workshop: Workshop, tmp_path: Path
) -> None:
    """The other shard has a million images: without an early end the test would take minutes."""

    class Unpublished(StagedFile):
        def publish(self, *_: object, **__: object) -> None:
            raise StorageError("the disk is full")

    class Full(FolderDestination):
        def stage(self, key: str) -> StagedFile:
            return Unpublished(self, key)

    spec = workshop.spec(n=10**6 + 4, shard_size=10**6)
    large, small = plan_set(spec)
    images: list[int] = []
    place = Full(tmp_path)
    maker = ShardMaker(
        spec, place, lambda: workshop.maker, on_images=images.append, stop_if_asked=lambda: None
    )
    with pytest.raises(StorageError, match="the disk is full"):
        list(maker.make_all([small, large]))
    assert sum(images) < 10**6
    assert list(place.unfinished.iterdir()) == []
