"""Clients that read slowly, or nothing, over real sockets: what they hold up, and for how long."""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager

import numpy as np
import pytest
from fake_samplers import FakeSampler
from live_server import PATIENCE_SECONDS, Client, wait_for
from prometheus_client import REGISTRY

from endotwin.image_range import BATCH, IMAGE_SIZE

BATCH_BYTES = BATCH * IMAGE_SIZE**2
LONG = 3000
AHEAD = 3
"""Batches that may be made for a reader that takes nothing: one on its way, one behind it, one begun."""


class Counting(FakeSampler):
    """Grey images, counted."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.seeds: list[int] = []

    def aligned(self, seed: int, block: int) -> np.ndarray:
        self.seeds.append(seed)
        time.sleep(self.seconds)
        return np.full((BATCH, IMAGE_SIZE, IMAGE_SIZE), 7, np.uint8)


def open_streams() -> float:
    return REGISTRY.get_sample_value("endotwin_open_streams") or 0.0


def ask(client: Client, query: str) -> socket.socket:
    """Ask for images and read nothing."""
    connection = socket.create_connection(("127.0.0.1", client.port), PATIENCE_SECONDS)
    connection.sendall(f"POST /generate?{query} HTTP/1.1\r\nHost: endotwin\r\n\r\n".encode())
    return connection


def read(connection: socket.socket, chunk: int, pause: float) -> int:
    """Read to the end at most so fast; return how many bytes came."""
    received = 0
    with closing(connection):
        while part := connection.recv(chunk):
            received += len(part)
            time.sleep(pause)
    return received


def wait_until_still(sampler: Counting) -> int:
    """Wait until no batch has been made for half a second; return how many there were."""
    counts = [-1]

    def is_still() -> bool:
        time.sleep(0.5)
        counts.append(len(sampler.seeds))
        return counts[-1] == counts[-2]

    wait_for(is_still, "generation to stop")
    return counts[-1]


@contextmanager
def big_stream(client: Client) -> Iterator[socket.socket]:
    with ask(client, f"n={LONG}&format=npy") as stream:
        stream.recv(1)
        yield stream


@pytest.mark.parametrize("kind", ["npy", "tar"])
def test_nothing_runs_ahead_of_a_reader_that_takes_nothing(
    serve_sampler: Callable[..., Client], kind: str
) -> None:
    sampler = Counting()
    client = serve_sampler(sampler)
    if kind == "tar":  # grey images are tiny files there
        sampler.aligned = noise_of(sampler)  # type: ignore[method-assign]
    with ask(client, f"n={LONG}&seed=1&format={kind}"):
        assert wait_until_still(sampler) <= AHEAD


def noise_of(sampler: Counting) -> Callable[[int, int], np.ndarray]:
    noise = np.random.default_rng(0).integers(0, 256, (BATCH, IMAGE_SIZE, IMAGE_SIZE), np.uint8)

    def aligned(seed: int, block: int) -> np.ndarray:
        sampler.seeds.append(seed)
        return noise

    return aligned


def test_fifteen_readers_that_take_nothing_cost_a_small_request_little(
    serve_sampler: Callable[..., Client],
) -> None:
    sampler = Counting(seconds=0.01)
    client = serve_sampler(sampler, max_streams_per_caller=16)
    with ExitStack() as readers:
        for _ in range(15):
            readers.enter_context(ask(client, f"n={LONG}&seed=1&format=npy"))
        assert len(client.generate("n=32&seed=2&format=npy").images) == 32
        assert sampler.seeds.count(1) <= 15 * AHEAD


def test_a_reader_below_the_least_rate_is_cut(serve_sampler: Callable[..., Client]) -> None:
    client = serve_sampler(Counting(), least_rate=4e6, stall_seconds=0.5)
    received = read(ask(client, f"n={LONG}&format=npy"), 1 << 12, 0.02)
    assert received < LONG * IMAGE_SIZE**2
    wait_for(lambda: open_streams() == 0, "its place to become free")


def test_a_reader_above_the_least_rate_gets_everything(serve_sampler: Callable[..., Client]) -> None:
    """It is slower than one batch in the time of a stall, and its rate is what counts."""
    client = serve_sampler(Counting(), least_rate=1e5, stall_seconds=0.2)
    received = read(ask(client, "n=32&format=npy"), 1 << 14, 0.01)  # at most 1.6 MB/s
    assert received > 32 * IMAGE_SIZE**2


def test_a_stream_that_lasts_too_long_is_cut(serve_sampler: Callable[..., Client]) -> None:
    client = serve_sampler(Counting(seconds=0.05), max_stream_seconds=0.5)
    with pytest.raises(http.client.IncompleteRead):
        client.generate(f"n={LONG}&format=npy")
    wait_for(lambda: open_streams() == 0, "its place to become free")
    assert client.generate("n=16").status == 200


def from_address(client: Client, address: str, query: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", client.port, source_address=(address, 0))
    with closing(connection):
        connection.request("POST", f"/generate?{query}")
        return connection.getresponse().status


def test_one_address_cannot_take_every_place(serve_sampler: Callable[..., Client]) -> None:
    client = serve_sampler(Counting(), max_streams=3, max_streams_per_caller=2)
    with big_stream(client), big_stream(client):
        refused = client.request("/generate")
        assert refused.status == 429
        assert refused.error["code"] == "too_many_streams_of_caller"
        assert int(refused.headers["Retry-After"]) >= 1
        assert from_address(client, "127.0.0.2", "n=500") == 200
    wait_for(lambda: open_streams() == 0, "all streams to end")
    assert client.generate("n=1")


def test_a_place_is_kept_free_for_small_requests(serve_sampler: Callable[..., Client]) -> None:
    client = serve_sampler(Counting(), max_streams=1, small_streams=1, small_images=64)
    with big_stream(client):
        refused = client.request("/generate?n=65")
        assert refused.status == 503
        assert "at most 64 images" in refused.error["message"]
        assert len(client.generate("n=64&format=npy").images) == 64
        with ask(client, "n=64&format=npy"):
            wait_for(lambda: open_streams() == 2, "the small place to be taken")
            full = client.request("/generate?n=1")
            assert full.status == 503
            assert "64" not in full.error["message"]


def test_a_place_for_small_requests_is_not_held_for_long(serve_sampler: Callable[..., Client]) -> None:
    client = serve_sampler(
        Counting(), max_streams=1, small_streams=1, small_images=64, stall_seconds=4, least_rate=1
    )
    with big_stream(client), ask(client, "n=64&format=npy"):
        wait_for(lambda: open_streams() == 2, "the small place to be taken")
        wait_for(lambda: open_streams() == 1, "it to become free")
        assert client.generate("n=1")


def test_an_answer_that_is_not_taken_does_not_keep_its_connection(
    serve_sampler: Callable[..., Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system takes some 220 kB, uvicorn 64 kB more: answers of such lengths are out, but not taken."""
    monkeypatch.setattr("service.connections._UNSENT_SECONDS", 0.2)
    client = serve_sampler(Counting(), max_streams_per_caller=16)
    lengths = range(10, 18)
    with ExitStack() as answers:
        unread = [answers.enter_context(ask(client, f"n={n}&format=npy")) for n in lengths]
        time.sleep(1.5)
        received = [read(one, 1 << 16, 0) for one in unread]
    assert any(size < n * IMAGE_SIZE**2 for size, n in zip(received, lengths, strict=True))
