"""Streams and jobs on one device: streams first, and a job is never stopped by them."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import CancelledError, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from fake_samplers import FakeSampler, block
from live_server import wait_for

from endotwin.generator.batch import Batch
from endotwin.generator.checkpoint import load_checkpoint
from endotwin.generator.sampler import Sampler
from endotwin.image_range import BATCH, ImageRange
from endotwin.mosaic.parameters import Conditions, Range
from service import device_queue as device_module
from service.device_queue import DeviceThread
from service.jobs.device_share import DeviceShare
from service.models import Model

JOB, STREAM = 1, 2
"""Seeds, to tell whose batch it is."""


class Noting(FakeSampler):
    """Notes whose batch it makes; the first waits until it is let go."""

    def __init__(self) -> None:
        self.seeds: list[int] = []
        self.go = threading.Event()

    def aligned(self, seed: int, block: int) -> np.ndarray:
        self.seeds.append(seed)
        self.go.wait()
        return np.zeros((BATCH, 128, 128), np.uint8)


def generate(device: DeviceThread, model: Model, number: int) -> asyncio.Future[Batch]:
    return asyncio.wrap_future(device.generate(model, block(STREAM, number), None))


@pytest.fixture
def model(tiny_checkpoint: Path) -> Model:
    return Model(card=load_checkpoint(tiny_checkpoint).card, generator_sha256="0" * 64, sampler=Noting())


def test_streams_go_first_and_a_job_goes_on(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_module, "_STREAMS_BEFORE_A_JOB", 3)
    device, sampler = DeviceThread(), model.sampler
    share = DeviceShare(model, device)

    async def stream() -> None:
        batches = [generate(device, model, number) for number in range(8)]
        sampler.go.set()
        await asyncio.gather(*batches)

    with ThreadPoolExecutor(4) as jobs:
        running = [jobs.submit(share.batch, block(JOB, number), None) for number in range(4)]
        wait_for(lambda: len(sampler.seeds) == 1 and len(device._jobs) == 3, "the jobs to wait")
        asyncio.run(stream())
        for future in running:
            future.result()
    device.close()
    expected = [JOB, STREAM, STREAM, STREAM, JOB, STREAM, STREAM, STREAM, JOB, STREAM, STREAM, JOB]
    assert sampler.seeds == expected


def test_a_job_that_waits_ends_with_the_service(model: Model) -> None:
    device, sampler = DeviceThread(), model.sampler
    share = DeviceShare(model, device)
    with ThreadPoolExecutor(2) as jobs:
        running = [jobs.submit(share.batch, block(JOB, number), None) for number in range(2)]
        wait_for(lambda: len(sampler.seeds) == 1 and len(device._jobs) == 1, "a job to wait")
        device.close()
        sampler.go.set()
        outcomes = [future.exception() for future in running]
    assert [type(outcome) for outcome in outcomes if outcome] == [CancelledError]
    assert sampler.seeds == [JOB]


def test_an_error_reaches_the_job(model: Model) -> None:
    device = DeviceThread()
    with pytest.raises(ZeroDivisionError):
        device.call_for_job(lambda: 1 / 0)
    assert device.call_for_job(lambda: 5) == 5
    device.close()


def test_a_share_gives_the_bytes_of_the_sampler(labelled_checkpoint: Path) -> None:
    checkpoint = load_checkpoint(labelled_checkpoint)
    sampler, device = Sampler(checkpoint), DeviceThread()
    share = DeviceShare(Model(card=checkpoint.card, generator_sha256="0" * 64, sampler=sampler), device)
    conditions = Conditions(density=Range(low=1500, high=2500))
    part = ImageRange(7, 50, 9)
    shared, expected = share.batch(part, conditions), sampler.batch(part, conditions)
    assert shared.range == expected.range == part
    assert np.array_equal(shared.images, expected.images)
    assert len(shared.scenes) == 9
    assert np.array_equal(share.batch(part, None).images, sampler.images(7, 9, 50))
    device.close()


@pytest.mark.parametrize(("batches", "expected"), [(2, 2), (8, 3)])
def test_what_a_job_does_beside_the_device_gives_way(
    batches: int, expected: int, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits for the streams that are there, but only as long as its own batch on the device would."""
    monkeypatch.setattr(device_module, "_STREAMS_BEFORE_A_JOB", 3)
    device, sampler = DeviceThread(), model.sampler
    seen = []

    def give_way() -> None:
        device.give_way()
        seen.append(len(sampler.seeds))

    async def stream() -> None:
        running = [generate(device, model, number) for number in range(batches)]
        with ThreadPoolExecutor(1) as job:
            given = job.submit(give_way)
            await asyncio.sleep(0.2)
            assert not given.done()
            sampler.go.set()
            await asyncio.gather(*running)
            await asyncio.wrap_future(given)

    device.give_way()  # nobody is there
    asyncio.run(stream())
    device.close()
    assert expected <= seen[0] <= batches


def test_who_gives_way_does_not_outwait_the_service(model: Model) -> None:
    device, sampler = DeviceThread(), model.sampler

    async def stream() -> None:
        running = [generate(device, model, number) for number in range(2)]
        with ThreadPoolExecutor(1) as job:
            given = job.submit(device.give_way)
            device.close()
            sampler.go.set()
            await asyncio.wrap_future(given)
        await asyncio.gather(*running, return_exceptions=True)

    asyncio.run(stream())
