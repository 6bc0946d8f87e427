"""Streams on a real server: clients that leave, that stall, that are too many; memory."""

from __future__ import annotations

import http.client
import threading
import time
from contextlib import ExitStack

import numpy as np
from live_server import MAX_STREAMS, LiveServer, wait_for

from endotwin.image_range import BATCH

BATCHES = "endotwin_device_seconds_count"
LONG = 3000
"""Images of a stream that is not read: far more than sockets and buffers can hold."""


def wait_until_still(server: LiveServer) -> float:
    """Wait until no batch has been generated for two seconds; return how many there were."""
    counts = [-2.0, -1.0]

    def is_still() -> bool:
        time.sleep(1.0)
        counts.append(server.metric(BATCHES))
        return counts[-1] == counts[-2] == counts[-3]

    wait_for(is_still, "generation to stop")
    return counts[-1]


def test_client_that_leaves_stops_generation(server: LiveServer) -> None:
    server.wait_until_idle()
    before = server.metrics()
    stream = server.open_stream(f"n={LONG}&format=npy")
    assert server.metric("endotwin_open_streams") == 1
    stream.close()
    server.wait_until_idle()
    freed = server.metric(BATCHES)
    after = wait_until_still(server)
    assert after - freed <= 1  # a batch that was being generated comes to its end
    assert after - before[BATCHES] < LONG / BATCH / 2
    aborted = "endotwin_requests_total:aborted"
    assert server.metric(aborted) == before.get(aborted, 0) + 1


def test_slow_reader_stalls_only_itself(server: LiveServer) -> None:
    server.wait_until_idle()
    began = server.metric(BATCHES)
    with server.open_stream(f"n={LONG}&seed=3&format=npy"):
        stalled = wait_until_still(server)
        assert stalled - began < LONG / BATCH
        assert len(server.generate("n=40&seed=4&format=npy").images) == 40
        assert server.metric("endotwin_open_streams") == 1
        assert server.metric(BATCHES) == stalled + 3
    server.wait_until_idle()


def test_reader_that_pauses_gets_every_image(server: LiveServer) -> None:
    n = 800
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    connection.request("POST", f"/generate?n={n}&seed=3&format=npy")
    response = connection.getresponse()
    wait_until_still(server)
    body = response.read()
    connection.close()
    assert len(body) == int(response.headers["Content-Length"])
    tail = server.generate(f"n=16&seed=3&start={n - 16}&format=npy").images
    assert np.array_equal(np.frombuffer(body[-16 * 128 * 128 :], np.uint8).reshape(-1, 128, 128), tail)


def test_stream_beyond_the_limit_is_refused_with_a_time_to_retry(server: LiveServer) -> None:
    server.wait_until_idle()
    with ExitStack() as streams:
        for _ in range(MAX_STREAMS):
            streams.enter_context(server.open_stream(f"n={LONG}&format=npy"))
        refused = server.request("/generate")
        assert refused.status == 503
        assert int(refused.headers["Retry-After"]) >= 1
        assert refused.error["code"] == "too_many_streams"
        assert server.request("/readyz", "GET").status == 200
    server.wait_until_idle()
    assert server.generate("n=1")


def test_memory_does_not_grow_with_n(server: LiveServer) -> None:
    [process] = server.processes()

    def peak(n: int) -> int:
        """Stream n images, reading as fast as they come; return the largest memory of the process."""
        seen = [process.memory_info().rss]
        done = threading.Event()

        def watch() -> None:
            while not done.wait(0.05):
                seen.append(process.memory_info().rss)

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            assert len(server.generate(f"n={n}&seed=1&format=npy").images) == n
        finally:
            done.set()
            watcher.join()
        return max(seen)

    peak(100)  # whatever is allocated once
    few, many = peak(200), peak(2200)  # 2,000 images are 31 MiB
    assert many - few < 24 * 2**20, f"{few / 2**20:.0f} MiB for 200 images, {many / 2**20:.0f} MiB for 2200"


def test_complete_streams_are_counted(server: LiveServer) -> None:
    server.wait_until_idle()
    before = server.metrics()
    reply = server.generate("n=20&seed=1&format=npy")
    server.wait_until_idle()
    after = server.metrics()

    def grown(name: str) -> float:
        return after[name] - before.get(name, 0.0)

    assert grown("endotwin_images_total") == 20
    assert grown("endotwin_bytes_total") == len(reply.body)
    assert grown("endotwin_requests_total:complete") == 1
    assert grown("endotwin_first_byte_seconds_count") == 1
    assert grown("endotwin_device_seconds_count") == 2
    assert grown("endotwin_encoding_seconds_count") == 2
    assert grown("endotwin_device_seconds_sum") > 0
