"""Connections over which no request comes, or only half of one; and streams that end in the middle."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress

import numpy as np
import pytest
from fake_samplers import FakeSampler
from live_server import PATIENCE_SECONDS, Client, wait_for
from prometheus_client import REGISTRY

from endotwin.image_range import BATCH, IMAGE_SIZE
from service.logs import JsonLine

HALF = b"GET /models HTTP/1.1\r\nHost: endotwin\r\n"
WHOLE = HALF + b"\r\n"
FEW = {"max_streams": 1, "small_streams": 0, "max_connections": 33}


class Grey(FakeSampler):
    """Grey images, and an error from one block on."""

    def __init__(self, fails_at: int | None = None) -> None:
        self.fails_at = fails_at

    def aligned(self, seed: int, block: int) -> np.ndarray:
        if block == self.fails_at:
            raise RuntimeError
        return np.full((BATCH, IMAGE_SIZE, IMAGE_SIZE), 7, np.uint8)


def connect(client: Client, begin: bytes = b"") -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", client.port), PATIENCE_SECONDS)
    connection.sendall(begin)
    return connection


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def read_all(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(1 << 16), b""))


def is_closed(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


@pytest.mark.parametrize("begin", [b"G", HALF, WHOLE + HALF], ids=["a letter", "half", "one and a half"])
def test_half_a_request_is_answered_and_closed(
    serve_sampler: Callable[..., Client], begin: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "endotwin.requests")
    closed = counted("endotwin_connections_closed_total", reason="request_timeout")
    client = serve_sampler(Grey(), request_seconds=0.3)
    with connect(client, begin) as connection:
        answer = read_all(connection)
    head, _, body = answer[answer.rindex(b"HTTP/1.1 ") :].partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    error = json.loads(body)["error"]
    assert error["code"] == "request_timeout"
    assert f"x-request-id: {error['request_id']}" in head.decode().lower()
    lines = [json.loads(JsonLine().format(record)) for record in caplog.records]
    [line] = [line for line in lines if line.get("request_id") == error["request_id"]]
    assert (line["status"], line["outcome"], line["code"]) == (408, "refused", "request_timeout")
    assert (line["message"], line["client"]) == ("incomplete request 408 refused", "127.0.0.1")
    assert counted("endotwin_connections_closed_total", reason="request_timeout") == closed + 1


def test_a_connection_without_a_request_is_closed(serve_sampler: Callable[..., Client]) -> None:
    client = serve_sampler(Grey(), request_seconds=0.3)
    with connect(client) as connection:
        assert read_all(connection) == b""


def test_a_trickle_does_not_keep_a_request_alive(serve_sampler: Callable[..., Client]) -> None:
    client = serve_sampler(Grey(), request_seconds=0.5)
    with connect(client, HALF) as connection:

        def trickle() -> bool:
            connection.sendall(b"X-Slow: 1\r\n")
            return is_closed(connection)

        with suppress(ConnectionError):
            wait_for(trickle, "the connection to be closed")


@pytest.mark.parametrize("path", ["/jobs", "/generate", "/nowhere"])
def test_half_a_body_is_closed(serve_sampler: Callable[..., Client], path: str) -> None:
    client = serve_sampler(Grey(), request_seconds=0.3)
    head = f"POST {path} HTTP/1.1\r\nHost: endotwin\r\nContent-Type: application/json\r\n"
    with connect(client, head.encode() + b"Content-Length: 100\r\n\r\n{") as connection:
        read_all(connection)  # comes to an end


def test_a_request_that_takes_its_time_is_answered(serve_sampler: Callable[..., Client]) -> None:
    client = serve_sampler(Grey(), request_seconds=PATIENCE_SECONDS)
    with connect(client, HALF) as connection:
        time.sleep(0.5)
        connection.sendall(b"Connection: close\r\n\r\n")
        assert read_all(connection).startswith(b"HTTP/1.1 200")


def test_a_stream_may_take_longer_than_its_request(serve_sampler: Callable[..., Client]) -> None:
    client = serve_sampler(Grey(), request_seconds=0.3)
    with connect(client, b"POST /generate?n=500&format=npy HTTP/1.0\r\n\r\n") as connection:
        time.sleep(1.0)
        assert len(read_all(connection)) > 500 * IMAGE_SIZE**2


def test_connections_that_wait_make_room_for_new_ones(serve_sampler: Callable[..., Client]) -> None:
    client = serve_sampler(Grey(), request_seconds=PATIENCE_SECONDS, **FEW)
    with ExitStack() as held:
        stream = held.enter_context(connect(client, b"POST /generate?n=3000&format=npy HTTP/1.0\r\n\r\n"))
        stream.recv(1)
        closed = counted("endotwin_connections_closed_total", reason="room")
        waiting = [held.enter_context(connect(client, HALF)) for _ in range(200)]
        assert client.request("/models", "GET").status == 200
        assert sum(not is_closed(connection) for connection in waiting) <= FEW["max_connections"]
        assert not is_closed(waiting[-1])
        open_ones = 1 + sum(not is_closed(connection) for connection in waiting)
        wait_for(
            lambda: counted("endotwin_open_connections") == open_ones, "that of GET /models to be closed"
        )
        assert counted("endotwin_connections_closed_total", reason="room") - closed >= 160
        assert len(read_all(stream)) > 2999 * IMAGE_SIZE**2  # streams wait for nothing


def test_requests_whose_answers_nobody_reads_make_room_too(serve_sampler: Callable[..., Client]) -> None:
    client = serve_sampler(Grey(), request_seconds=PATIENCE_SECONDS, **FEW)
    with ExitStack() as held:
        for _ in range(FEW["max_connections"] + 5):
            connection = held.enter_context(connect(client))
            connection.setblocking(False)
            with suppress(BlockingIOError):
                connection.send(WHOLE * 5000)
        assert client.request("/models", "GET").status == 200


def test_a_stream_that_fails_is_visibly_cut_for_old_clients_too(
    serve_sampler: Callable[..., Client],
) -> None:
    """HTTP/1.0, as nginx speaks it to a service: a plain close would be the end of a whole response."""
    client = serve_sampler(Grey(fails_at=2))
    with (
        connect(client, b"POST /generate?n=100&format=tar HTTP/1.0\r\n\r\n") as connection,
        pytest.raises(ConnectionResetError),
    ):
        read_all(connection)
