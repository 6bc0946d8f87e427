"""What waits for the devices: whose turn it is, what shares a batch, and devices and threads that fail."""

from __future__ import annotations

import collections
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, wait
from pathlib import Path

import numpy as np
import pytest
import torch
from fake_samplers import FakeSampler, block
from live_server import wait_for
from prometheus_client import REGISTRY

from endotwin.generator.batch import Batch
from endotwin.generator.checkpoint import load_checkpoint
from endotwin.generator.sampler import Sampler
from endotwin.image_range import BATCH, ImageRange
from service import device_queue as queue_module
from service import device_worker as worker_module
from service.device_queue import DeviceQueue, DeviceUnavailableError
from service.models import Model

Make = Callable[..., tuple[DeviceQueue, Model]]

OUT_OF_MEMORY = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
LOST = RuntimeError("CUDA error: unspecified launch failure\nCUDA kernel errors might be reported later")


class Recording(FakeSampler):
    """Record the ranges of every batch; `gate` holds it up, and `errors` are raised one after the other."""

    independent = True

    def __init__(self) -> None:
        self.runs: list[list[ImageRange]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.errors: list[BaseException] = []

    def render(self, drawings: list[ImageRange]) -> list[Batch]:
        self.runs.append(drawings)
        self.gate.wait()
        if self.errors:
            raise self.errors.pop(0)
        return [Batch(part, np.full((part.count, 1, 1), part.seed % 256, np.uint8)) for part in drawings]


@pytest.fixture
def make(tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Return a function that makes a queue of some devices, and a model on them."""
    monkeypatch.setattr(worker_module, "_FIRST_PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(worker_module, "_RESTART_SECONDS", 0.01)
    card = load_checkpoint(tiny_checkpoint).card
    queues = []

    def make(devices: int = 1) -> tuple[DeviceQueue, Model]:
        queues.append(DeviceQueue(devices))
        return queues[-1], Model(card, "0" * 64, [Recording() for _ in range(devices)])

    yield make
    for queue in queues:
        queue.close()


def held(queue: DeviceQueue, model: Model) -> Future[Batch]:
    """Hold up the first device with a whole batch."""
    sampler = model.samplers[0]
    sampler.gate.clear()
    first = queue.generate(model, block(99, 0), None)
    wait_for(lambda: len(sampler.runs) == 1, "the device to be busy")
    return first


def metric(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"endotwin_{name}", labels) or 0.0


def test_small_requests_share_a_batch_and_get_their_own_images(make: Make) -> None:
    queue, model = make()
    held(queue, model)
    parts = [ImageRange(seed, seed, 1 + seed % 3) for seed in range(12)]  # 24 rows
    futures = [queue.generate(model, part, None) for part in parts]
    model.samplers[0].gate.set()
    for part, future in zip(parts, futures, strict=True):
        batch = future.result()
        assert batch.range == part
        assert (batch.images == part.seed).all()
    assert [sum(part.count for part in run) for run in model.samplers[0].runs] == [16, 16, 8]


def test_what_waited_longest_goes_next_and_only_what_fits_overtakes_it(make: Make) -> None:
    queue, model = make()
    held(queue, model)
    parts = [ImageRange(0, 0, 3), block(1, 0), ImageRange(2, 0, 14), ImageRange(3, 0, 13), block(4, 0)]
    futures = [queue.generate(model, part, None) for part in parts]
    model.samplers[0].gate.set()
    wait(futures)
    assert [[part.seed for part in run] for run in model.samplers[0].runs] == [[99], [0, 3], [1], [2], [4]]


def test_models_share_no_batch_and_a_request_that_left_takes_no_row(make: Make) -> None:
    queue, model = make()
    other = Model(model.card, "1" * 64, [Recording()])
    held(queue, model)
    futures = [
        queue.generate(chosen, ImageRange(seed, 0, 8), None)
        for seed, chosen in enumerate([model, other, model, model, other])
    ]
    assert futures[2].cancel()
    model.samplers[0].gate.set()
    wait(futures)
    assert [[part.seed for part in run] for run in model.samplers[0].runs] == [[99], [0, 3]]
    assert [[part.seed for part in run] for run in other.samplers[0].runs] == [[1, 4]]


def test_where_images_depend_on_each_other_nothing_shares(make: Make) -> None:
    queue, model = make()
    model.samplers[0].independent = False
    held(queue, model)
    futures = [queue.generate(model, ImageRange(seed, 0, 1), None) for seed in range(3)]
    model.samplers[0].gate.set()
    wait(futures)
    assert [len(run) for run in model.samplers[0].runs] == [1, 1, 1, 1]


def test_what_fails_one_request_fails_no_other_in_its_batch(make: Make) -> None:
    queue, model = make()
    held(queue, model)
    sampler = model.samplers[0]
    sampler.errors = []
    futures = [queue.generate(model, ImageRange(seed, 0, 1), None) for seed in range(3)]
    render = sampler.render

    def fail_on_one(drawings: list[ImageRange]) -> list[Batch]:
        batches = render(drawings)
        if any(part.seed == 1 for part in drawings):
            raise ValueError("seed 1")
        return batches

    sampler.render = fail_on_one
    sampler.gate.set()
    assert [type(future.exception()) for future in futures] == [type(None), ValueError, type(None)]


@pytest.mark.parametrize(("devices", "share"), [(1, 0.9), (2, 0.5)])
def test_64_streams_get_the_same_share(make: Make, devices: int, share: float) -> None:
    """Streams of whole batches and of single images; each asks for the next when it has the last.

    With two devices a thread that the system lets wait holds up the streams whose batch it has.
    """
    queue, model = make(devices)
    served: collections.Counter[int] = collections.Counter()
    running = threading.Semaphore(0)
    counted = threading.Lock()

    def ask(seed: int, number: int) -> None:
        part = block(seed, number) if seed % 2 else ImageRange(seed, number * BATCH, 1)
        queue.generate(model, part, None).add_done_callback(lambda future: have(seed, number, future))

    def have(seed: int, number: int, future: Future[Batch]) -> None:
        if future.cancelled() or future.exception():
            return
        with counted:
            served[seed] += 1
            more = served.total() < 6400
        if more:
            ask(seed, number + 1)
        else:
            running.release()

    for seed in range(64):
        ask(seed, 0)
    assert running.acquire(timeout=60)
    assert min(served.values()) >= share * max(served.values())


def test_two_devices_work_at_the_same_time_and_make_the_same_bytes(tiny_checkpoint: Path) -> None:
    checkpoint = load_checkpoint(tiny_checkpoint)
    samplers = [Sampler(checkpoint, threads=1) for _ in range(2)]
    assert samplers[0].try_out() == samplers[1].try_out()
    for sampler in samplers:
        sampler.check()
    used: list[str] = []
    for sampler in samplers:
        render = sampler.render

        def note(drawings: object, render: Callable = render) -> list[Batch]:
            used.append(threading.current_thread().name)
            return render(drawings)

        sampler.render = note
    queue, model = DeviceQueue(2), Model(checkpoint.card, "0" * 64, samplers)
    parts = [ImageRange(seed, 20, 5) for seed in range(4)]
    futures = [queue.generate(model, part, None) for part in parts]
    expected = Sampler(checkpoint)
    for part, future in zip(parts, futures, strict=True):
        assert future.result().images.tobytes() == expected.batch(part).images.tobytes()
    assert set(used) == {"device 0", "device 1"}
    queue.close()


def test_one_device_goes_on_while_the_other_is_busy(make: Make) -> None:
    queue, model = make(2)
    for sampler in model.samplers:
        sampler.gate.clear()
    first = [queue.generate(model, block(seed, 0), None) for seed in range(2)]
    wait_for(lambda: all(sampler.runs for sampler in model.samplers), "both devices to be busy")
    model.samplers[1].gate.set()
    assert queue.generate(model, block(2, 0), None).result().range.seed == 2
    model.samplers[0].gate.set()
    wait(first)


@pytest.mark.parametrize("error", [OUT_OF_MEMORY, LOST], ids=["out of memory", "lost"])
def test_a_device_that_fails_fails_what_waits_and_comes_back(
    make: Make, error: RuntimeError, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="endotwin")
    queue, model = make()
    kind = "failed" if error is LOST else "out_of_memory"
    failures, ready = metric("device_failures_total", kind=kind), metric("devices_ready")
    held(queue, model)
    sampler = model.samplers[0]
    sampler.errors = [error] * 3
    waiting = [queue.generate(model, block(seed, 0), None) for seed in range(3)]
    assert queue.problem is None
    sampler.gate.set()
    for future in waiting:
        raised = future.exception()
        assert isinstance(raised, DeviceUnavailableError)
        assert raised.status == 503
        assert str(error).splitlines()[0] in raised.message
        assert "kernel errors" not in raised.message
    assert str(error).splitlines()[0] in queue.problem
    assert metric("devices_ready") == ready - 1
    assert isinstance(queue.generate(model, block(5, 0), None).exception(), DeviceUnavailableError)
    wait_for(lambda: queue.problem is None, "the device to come back")
    assert queue.generate(model, block(6, 0), None).result().range == block(6, 0)
    assert metric("devices_ready") == ready
    assert metric("device_failures_total", kind=kind) == failures + 1
    said = [record.getMessage() for record in caplog.records]
    assert f"device 0: {'the device failed' if error is LOST else 'out of memory'}: {error}".split("\n")[
        0
    ] in " ".join(said)
    assert any("works again after" in line for line in said)


def test_what_a_device_fails_on_is_made_by_the_other(make: Make) -> None:
    queue, model = make(2)
    for sampler in model.samplers:
        sampler.gate.clear()
    first = [queue.generate(model, block(seed, 0), None) for seed in range(2)]
    wait_for(lambda: all(sampler.runs for sampler in model.samplers), "both devices to be busy")
    model.samplers[0].errors = [LOST] * 1000
    for sampler in model.samplers:
        sampler.gate.set()
    assert [future.result().range.seed for future in first] == [0, 1]
    assert queue.problem is None
    later = [queue.generate(model, block(seed, 1), None) for seed in range(5)]
    assert [future.result().range.seed for future in later] == list(range(5))


def test_only_a_new_process_helps_against_an_error_of_cuda(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue_module, "_GONE_SECONDS", 0.2)
    for error, expected in ((LOST, True), (OUT_OF_MEMORY, False)):
        queue, model = make()
        model.samplers[0].errors = [error] * 1000
        assert not queue.needs_restart
        assert queue.generate(model, block(0, 0), None).exception()
        wait_for(lambda: len(model.samplers[0].runs) > 3, "the device to be tried again")  # noqa: B023
        assert queue.needs_restart == expected


def test_a_device_that_does_not_answer_is_a_problem(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "_STUCK_SECONDS", 0.1)
    queue, model = make()
    first = held(queue, model)
    wait_for(lambda: queue.problem is not None, "the problem to be seen")
    assert "has not answered for" in queue.problem
    model.samplers[0].gate.set()
    first.result()
    wait_for(lambda: queue.problem is None, "the problem to go")


def test_a_job_waits_for_a_device_that_comes_back(make: Make) -> None:
    queue, model = make()
    model.samplers[0].errors = [OUT_OF_MEMORY] * 2
    assert queue.generate_for_job(model, block(1, 0), None).range == block(1, 0)


def test_a_job_is_given_back_if_no_device_comes_back(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_module, "_JOB_PATIENCE_SECONDS", 0.2)
    queue, model = make()
    model.samplers[0].errors = [LOST] * 1000
    with pytest.raises(CancelledError):
        queue.generate_for_job(model, block(1, 0), None)


def test_a_thread_that_dies_is_counted_logged_and_started_again(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    queue, model = make()
    died = metric("device_threads_died_total")
    model.samplers[0].errors = [SystemExit("killed")]
    assert isinstance(queue.generate(model, block(0, 0), None).exception(), SystemExit)
    assert queue.generate(model, block(1, 0), None).result().range == block(1, 0)
    assert metric("device_threads_died_total") == died + 1
    assert "the thread of device 0 died" in caplog.text


def test_a_call_runs_in_the_thread_of_its_device(make: Make) -> None:
    queue, _ = make(2)
    names = [queue.call(lambda: threading.current_thread().name, device=index) for index in range(2)]
    assert names == ["device 0", "device 1"]
    with pytest.raises(ZeroDivisionError):
        queue.call(lambda: 1 / 0)
    queue.close()
    with pytest.raises(CancelledError):
        queue.call(lambda: None)


def test_nothing_waits_for_a_queue_that_is_closed(make: Make) -> None:
    queue, model = make()
    first = held(queue, model)
    waiting = queue.generate(model, block(0, 0), None)
    with ThreadPoolExecutor(1) as thread:
        call = thread.submit(queue.call, lambda: None)
        wait_for(lambda: bool(queue._workers[0].calls), "the call to wait")
        queue.close()
        assert isinstance(call.exception(), CancelledError)
    assert waiting.cancelled()
    assert queue.generate(model, block(1, 0), None).cancelled()
    model.samplers[0].gate.set()
    assert first.result().range == block(99, 0)
