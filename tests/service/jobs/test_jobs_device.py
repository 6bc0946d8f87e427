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
from service.device_queue import DeviceQueue
from service.models import Model

JOB, STREAM = 1, 2
"""Seeds, by which the batches of jobs and streams are known."""


class RecordingSampler(FakeSampler):
    """Record the seed of every batch; the first batch waits for `go`."""

    def __init__(self) -> None:
        self.seeds: list[int] = []
        self.go = threading.Event()

    def aligned(self, seed: int, block: int) -> np.ndarray:
        self.seeds.append(seed)
        self.go.wait()
        return np.zeros((BATCH, 128, 128), np.uint8)


def generate(device: DeviceQueue, model: Model, number: int) -> asyncio.Future[Batch]:
    return asyncio.wrap_future(device.generate(model, block(STREAM, number), None))


@pytest.fixture
def model(tiny_checkpoint: Path) -> Model:
    return Model(
        card=load_checkpoint(tiny_checkpoint).card, generator_sha256="0" * 64, samplers=[RecordingSampler()]
    )


def test_streams_go_first_and_a_job_goes_on(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_module, "_STREAMS_BEFORE_A_JOB", 3)
    device, sampler = DeviceQueue(), model.samplers[0]

    async def stream() -> None:
        batches = [generate(device, model, number) for number in range(8)]
        sampler.go.set()
        await asyncio.gather(*batches)

    with ThreadPoolExecutor(4) as jobs:
        running = [
            jobs.submit(device.generate_for_job, model, block(JOB, number), None) for number in range(4)
        ]
        wait_for(lambda: len(sampler.seeds) == 1 and len(device._jobs) == 3, "the jobs to wait")
        asyncio.run(stream())
        for future in running:
            future.result()
    device.close()
    expected = [JOB, STREAM, STREAM, STREAM, JOB, STREAM, STREAM, STREAM, JOB, STREAM, STREAM, JOB]
    assert sampler.seeds == expected


def test_a_job_that_waits_ends_with_the_service(model: Model) -> None:
    device, sampler = DeviceQueue(), model.samplers[0]
    with ThreadPoolExecutor(2) as jobs:
        running = [
            jobs.submit(device.generate_for_job, model, block(JOB, number), None) for number in range(2)
        ]
        wait_for(lambda: len(sampler.seeds) == 1 and len(device._jobs) == 1, "a job to wait")
        device.close()
        sampler.go.set()
        outcomes = [future.exception() for future in running]
    assert [type(outcome) for outcome in outcomes if outcome] == [CancelledError]
    assert sampler.seeds == [JOB]


def test_an_error_reaches_the_job(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    device = DeviceQueue()
    model.samplers[0].go.set()
    with monkeypatch.context() as broken:
        broken.setattr(model.samplers[0], "render", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            device.generate_for_job(model, block(JOB, 0), None)
    assert device.generate_for_job(model, block(JOB, 1), None).range == block(JOB, 1)
    device.close()


def test_a_job_gets_the_bytes_of_the_sampler(labelled_checkpoint: Path) -> None:
    checkpoint = load_checkpoint(labelled_checkpoint)
    sampler, device = Sampler(checkpoint), DeviceQueue()
    model = Model(card=checkpoint.card, generator_sha256="0" * 64, samplers=[sampler])
    conditions = Conditions(density=Range(low=1500, high=2500))
    part = ImageRange(7, 50, 3)
    shared, expected = device.generate_for_job(model, part, conditions), sampler.batch(part, conditions)
    assert shared.range == expected.range == part
    assert np.array_equal(shared.images, expected.images)
    assert len(shared.scenes) == 3
    assert np.array_equal(device.generate_for_job(model, part, None).images, sampler.images(7, 3, 50))
    device.close()


@pytest.mark.parametrize(("batches", "expected"), [(2, 2), (8, 3)])
def test_what_a_job_does_beside_the_device_waits_for_streams(
    batches: int, expected: int, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits for the streams there are, but only as long as its own batch on the device would."""
    monkeypatch.setattr(device_module, "_STREAMS_BEFORE_A_JOB", 3)
    device, sampler = DeviceQueue(), model.samplers[0]
    seen = []

    def wait() -> None:
        device.wait_for_streams()
        seen.append(len(sampler.seeds))

    async def stream() -> None:
        running = [generate(device, model, number) for number in range(batches)]
        with ThreadPoolExecutor(1) as job:
            waiting = job.submit(wait)
            await asyncio.sleep(0.2)
            assert not waiting.done()
            sampler.go.set()
            await asyncio.gather(*running)
            await asyncio.wrap_future(waiting)

    device.wait_for_streams()  # there is none
    asyncio.run(stream())
    device.close()
    assert expected <= seen[0] <= batches


def test_waiting_for_streams_ends_with_the_service(model: Model) -> None:
    device, sampler = DeviceQueue(), model.samplers[0]

    async def stream() -> None:
        running = [generate(device, model, number) for number in range(2)]
        with ThreadPoolExecutor(1) as job:
            waiting = job.submit(device.wait_for_streams)
            device.close()
            sampler.go.set()
            await asyncio.wrap_future(waiting)
        await asyncio.gather(*running, return_exceptions=True)

    asyncio.run(stream())
