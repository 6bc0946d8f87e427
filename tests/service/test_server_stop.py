"""How the web server stops, and how it holds out with few descriptors: with an application of the tests."""

from __future__ import annotations

import http.client
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import pytest
from live_server import PATIENCE_SECONDS, ROOT, Client, free_port, wait_for

SCRIPT = ROOT / "tests" / "support" / "stopping_server.py"
HALF_SENT = 3000


class Running(Client):
    """The server of `SCRIPT` in a process of its own."""

    def __init__(self, grace: float, refusing: float, files: int) -> None:
        super().__init__(free_port())
        arguments = [str(number) for number in (self.port, grace, refusing, files)]
        self.process = subprocess.Popen(
            [sys.executable, str(SCRIPT), *arguments],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        wait_for(lambda: self.status("/readyz") == 200, "the server to be ready")

    def status(self, path: str) -> int | None:
        """Return the status of the answer; None if the connection is refused."""
        try:
            return self.request(path, "GET").status
        except OSError:
            return None

    def open_parts(self, count: int) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)
        connection.request("GET", f"/?{count}")
        return connection.getresponse()

    def end(self) -> tuple[int, str]:
        """Wait for the end; return the exit code and what was printed."""
        printed, _ = self.process.communicate(timeout=PATIENCE_SECONDS)
        return self.process.returncode, printed


@pytest.fixture
def run() -> Iterator[Callable[..., Running]]:
    servers: list[Running] = []

    def start(grace: float = PATIENCE_SECONDS, refusing: float = 0.0, files: int = 2048) -> Running:
        servers.append(Running(grace, refusing, files))
        return servers[-1]

    yield start
    for server in servers:
        server.process.kill()
        server.process.communicate()


def test_a_stop_with_open_streams_goes_step_by_step(run: Callable[..., Running]) -> None:
    server = run(grace=20, refusing=5)
    with closing(server.open_parts(10**6)) as stream:
        server.process.terminate()
        wait_for(lambda: server.status("/readyz") == 503, "the service not to be ready")
        refused = server.request("/anything", "GET")
        assert refused.status == 503
        assert (refused.error["code"], refused.error["message"]) == ("not_ready", "the service is stopping")
        assert int(refused.headers["Retry-After"]) >= 1
        assert server.status("/livez") == 200
        wait_for(lambda: server.status("/readyz") is None, "connections to be refused")
        assert stream.read(4) == b"part"
        assert server.process.poll() is None
    assert server.end() == (0, "done\n")


def test_streams_that_come_to_their_end_end_the_service(run: Callable[..., Running]) -> None:
    server = run()
    with closing(server.open_parts(40)) as stream:
        server.process.terminate()
        assert stream.read() == 40 * b"part"
    assert server.end() == (0, "done\n")


def test_without_streams_the_service_ends_at_once(run: Callable[..., Running]) -> None:
    server = run(refusing=PATIENCE_SECONDS)
    server.process.terminate()
    assert server.end() == (0, "done\n")


def test_a_stream_is_cut_before_the_grace_is_over(run: Callable[..., Running]) -> None:
    server = run(grace=3)
    with (
        closing(server.open_parts(10**6)) as new,
        socket.create_connection(("127.0.0.1", server.port), PATIENCE_SECONDS) as old,
    ):
        old.sendall(b"GET /?1000000 HTTP/1.0\r\n\r\n")
        old.recv(1)
        server.process.terminate()
        with pytest.raises(http.client.IncompleteRead):
            new.read()
        with pytest.raises(ConnectionResetError):  # a plain close would be the end of a whole response
            read_all(old)
    code, printed = server.end()
    assert code == 0
    assert printed.endswith("done\n")


def test_what_does_not_end_is_ended_by_force(run: Callable[..., Running]) -> None:
    server = run(grace=1)
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(b"GET /block HTTP/1.1\r\nHost: endotwin\r\n\r\n")
        wait_for(lambda: is_busy(server), "the process to be busy")
        server.process.terminate()
        code, printed = server.end()
    assert code == 0
    assert "ended by force" in printed


def read_all(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(1 << 16), b""))


def is_busy(server: Running) -> bool:
    try:
        return server.request("/", "GET", timeout=1).status != 200
    except TimeoutError:
        return True


def test_thousands_of_half_sent_requests_leave_room_for_a_probe(run: Callable[..., Running]) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = HALF_SENT + 500
    if hard != resource.RLIM_INFINITY and hard < needed:
        pytest.skip(f"this process may not open {needed} files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))
    server = run(files=1024)
    with ExitStack() as held, closing(server.open_parts(10**6)) as stream:
        for number in range(HALF_SENT):
            connection = held.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            connection.sendall(b"GET /readyz HTTP/1.1\r\nHost: endotwin\r\n")
            if number % 500 == 499:
                assert server.status("/readyz") == 200
        assert server.request("/readyz", "GET").status == 200
        assert stream.read(4) == b"part"
    server.process.terminate()
    assert server.end() == (0, "done\n")
