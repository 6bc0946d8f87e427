"""Failures and sharing, with a batch source that the test controls, under a real web server."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from fake_samplers import FakeSampler
from live_server import Client, wait_for
from prometheus_client import REGISTRY

from endotwin.image_range import BATCH

SECRET = "a detail that is no business of the client"


class Grey(FakeSampler):
    """Images whose grey level is their block, and an error from one block on."""

    def __init__(self, fails_at: int | None = None, seconds: float = 0.0) -> None:
        self.fails_at = fails_at
        self.seconds = seconds
        self.calls: list[tuple[int, int]] = []

    def aligned(self, seed: int, block: int) -> np.ndarray:
        self.calls.append((seed, block))
        time.sleep(self.seconds)
        if self.fails_at is not None and block >= self.fails_at:
            raise RuntimeError(SECRET)
        return np.full((BATCH, 128, 128), block % 256, np.uint8)


def outcome(name: str, code: str = "") -> float:
    return REGISTRY.get_sample_value("endotwin_requests_total", {"outcome": name, "code": code}) or 0.0


def open_streams() -> float:
    return REGISTRY.get_sample_value("endotwin_open_streams") or 0.0


@pytest.mark.parametrize("kind", ["npy", "tar", "zip"])
def test_failure_after_the_first_byte_cuts_the_connection(
    serve_sampler: Callable[..., Client], kind: str
) -> None:
    client = serve_sampler(Grey(fails_at=2))
    failed = outcome("failed", "internal_error")
    with pytest.raises(http.client.IncompleteRead):
        client.request(f"/generate?n=100&format={kind}")
    assert outcome("failed", "internal_error") == failed + 1
    assert open_streams() == 0
    assert client.generate("n=32").status == 200


def test_failure_before_the_first_byte_has_a_status(serve_sampler: Callable[..., Client]) -> None:
    client = serve_sampler(Grey(fails_at=0))
    reply = client.request("/generate?n=100")
    assert reply.status == 500
    assert reply.error["code"] == "internal_error"
    assert SECRET.encode() not in reply.body
    assert open_streams() == 0


def test_client_that_stops_reading_loses_its_place(serve_sampler: Callable[..., Client]) -> None:
    client = serve_sampler(Grey(), stall_seconds=0.5, max_streams=1)
    aborted = outcome("aborted")
    with client.open_stream("n=2000&format=npy") as stream:
        wait_for(lambda: open_streams() == 0, "the stalled stream to be cut")
        assert outcome("aborted") == aborted + 1
        assert client.generate("n=1").status == 200
        received = sum(iter(lambda: len(stream.recv(1 << 20)), 0))
    assert received < 2000 * 128 * 128


def test_client_that_leaves_while_it_waits_for_the_device(serve_sampler: Callable[..., Client]) -> None:
    sampler = Grey(seconds=0.2)
    client = serve_sampler(sampler)
    client.open_stream("n=1000&format=npy").close()
    wait_for(lambda: open_streams() == 0, "the stream to end")
    made = len(sampler.calls)
    time.sleep(1.0)
    assert len(sampler.calls) <= made + 1
    assert made < 20


def test_streams_take_turns_on_the_device(serve_sampler: Callable[..., Client]) -> None:
    sampler = Grey(seconds=0.02)
    client = serve_sampler(sampler)
    clients = [
        threading.Thread(target=client.generate, args=(f"n={40 * BATCH}&seed={seed}",)) for seed in range(4)
    ]
    for thread in clients:
        thread.start()
    for thread in clients:
        thread.join()
    seeds = [seed for seed, _ in sampler.calls]
    assert len(seeds) == 4 * 40
    first_end = min(len(seeds) - 1 - seeds[::-1].index(seed) for seed in range(4))
    all_began = max(seeds.index(seed) for seed in range(4))
    together = seeds[all_began:first_end]
    assert len(together) > 100
    for seed in range(4):
        turns = [at for at, other in enumerate(together) if other == seed]
        waits = [after - before for before, after in pairwise(turns)]
        assert max(waits) <= 6, f"stream {seed} waited for {max(waits)} batches of four streams"
