"""What clients that read slowly, send half a request or stay when the service stops can do to the others.

Run it as `python -m benchmarks.hostile_clients`; README.md in this folder says what it measures.
"""

from __future__ import annotations

import os
import resource
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.borrowed import untrained_checkpoint
from benchmarks.server import Server, running_server
from endotwin.settings import Settings, variable

_HOST = "127.0.0.1"
_LONG = 100_000
_SMALL = 320
_READERS = 15
_SLOW = 16
_SLOW_BYTES_PER_SECOND = 1000
_HALF_SENT = 3000
_FILES = 1024
_STILL = 6
"""Looks, three seconds apart, in which no batch is made when nothing moves any more."""

_PROBE_SECONDS = 10.0
"""Time limit of a probe."""


def main(
    *,
    seconds: Annotated[float, typer.Option(help="How long slow readers and half requests go on.")] = 40.0,
    untrained: Annotated[
        bool, typer.Option("--untrained", help="The tests' tiny network instead of the default model.")
    ] = False,
    output: Annotated[Path, typer.Option(help="Folder for the server's log.")] = Path("out/benchmarks"),
) -> None:
    """Attack a service of this machine in five ways, and print what came of it."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    output.mkdir(parents=True, exist_ok=True)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    settings: dict[str, str] = {}
    if untrained:
        settings[variable("checkpoint_dir")] = str(untrained_checkpoint(output / "untrained").parent)

    @contextmanager
    def served(more: Mapping[str, str], files: int | None = None) -> Iterator[Server]:
        known = {variable(name): value for name, value in more.items() if name in Settings.model_fields}
        with running_server({**settings, **known}, output / "hostile_clients.log", files=files) as server:
            yield server

    many = {"max_streams_per_caller": "16"}
    with served(many) as server:
        _say("batches made for a reader that takes nothing", batches_ahead(server))
    with served(many) as server:
        alone = small_request(server)
        _say(f"seconds of {_SMALL} images alone", round(alone, 2))
        with unread(server, _READERS) as readers:
            for reader in readers:
                reader.recv(1)
            beside = small_request(server)
        _say(f"seconds beside {_READERS} readers that take nothing", round(beside, 2))
    with served({"stall_seconds": "10"}) as server:
        held, answer = slow_readers(server, seconds)
        _say(f"of {_SLOW} readers of {_SLOW_BYTES_PER_SECOND} B/s, held after {seconds:g} s", held)
        _say(f"a request for {_LONG} images then", answer)
    with served({}, _FILES) as server:
        probe, left = half_sent(server, seconds)
        _say(f"/readyz beside {_HALF_SENT} half-sent requests, {_FILES} descriptors", probe)
        _say(f"half-sent requests held after {seconds:g} s", left)
    with served({}) as server:
        for line in stop(server):
            typer.echo(line)


def batches_ahead(server: Server) -> int:
    """Return how many batches are made until nothing moves any more."""
    before = _batches(server)
    with unread(server, 1):
        counts = [before]
        while counts[-1] == before or len(set(counts[-_STILL:])) > 1:
            time.sleep(3)
            counts.append(_batches(server))
    return counts[-1] - before


def small_request(server: Server) -> float:
    """Return the seconds that a small request takes."""
    return server.fetch(_SMALL, 1, "npy")


@contextmanager
def unread(server: Server, count: int) -> Iterator[list[socket.socket]]:
    """Ask for long streams and read nothing of them."""
    with ExitStack() as stack:
        connections = []
        for seed in range(count):
            connection = stack.enter_context(socket.create_connection((_HOST, server.port)))
            connection.sendall(_request(f"/generate?n={_LONG}&seed={seed}&format=npy", "POST"))
            connections.append(connection)
        yield connections


def slow_readers(server: Server, seconds: float) -> tuple[int, str]:
    """Read slowly; return how many are served at the end, and how another long request is answered."""
    end = time.monotonic() + seconds
    served: list[bool] = []

    def read_slowly(connection: socket.socket) -> None:
        connection.settimeout(1)
        begun = False
        while time.monotonic() < end:
            try:
                part = connection.recv(_SLOW_BYTES_PER_SECOND)
            except TimeoutError:
                continue
            except OSError:
                return
            if not part or (not begun and b" 200 " not in part[:20]):
                return
            begun = True
            time.sleep(1)
        served.append(begun)

    with unread(server, _SLOW) as connections:
        threads = [threading.Thread(target=read_slowly, args=(one,)) for one in connections]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        gauge = _metric(server, "endotwin_open_streams")
        answer = _status(server, f"/generate?n={_LONG}&format=npy", "POST", _PROBE_SECONDS)
    return int(gauge), answer


def half_sent(server: Server, seconds: float) -> tuple[str, int]:
    """Send half requests; return how a probe fares, and how many connections are held at the end."""
    with ExitStack() as stack:
        connections = []
        for _ in range(_HALF_SENT):
            connection = stack.enter_context(socket.socket())
            connection.settimeout(2)
            try:
                connection.connect((_HOST, server.port))
                connection.sendall(b"GET /readyz HTTP/1.1\r\nHost: endotwin\r\n")
            except OSError:
                continue
            connections.append(connection)
        began = time.monotonic()
        status = _status(server, "/readyz", "GET", _PROBE_SECONDS)
        probe = f"{status} after {time.monotonic() - began:.2f} s"
        time.sleep(seconds)
        return probe, sum(not _is_closed(connection) for connection in connections)


def stop(server: Server) -> Iterator[str]:
    """Stop the service while a stream is open; say what new requests get, and when it ends."""
    with unread(server, 1) as [connection]:
        connection.recv(1)
        began = time.monotonic()
        os.kill(server.pid, signal.SIGTERM)
        last = ""
        while _runs(server.pid) and time.monotonic() < began + 60:
            for path, method in (("/readyz", "GET"), ("/generate", "POST")):
                status = _status(server, path, method, 2.0)
                said = f"{method} {path}: {status}"
                if said != last:
                    yield f"{time.monotonic() - began:.1f} s after SIGTERM: {said}"
                last = said
            time.sleep(0.2)
        yield f"ended {time.monotonic() - began:.1f} s after SIGTERM"


def _request(target: str, method: str) -> bytes:
    return f"{method} {target} HTTP/1.1\r\nHost: endotwin\r\n\r\n".encode()


def _status(server: Server, target: str, method: str, timeout: float) -> str:
    connection = HTTPConnection(_HOST, server.port, timeout=timeout)
    try:
        connection.request(method, target)
        return str(connection.getresponse().status)
    except ConnectionRefusedError:
        return "refused"
    except TimeoutError:
        return f"no answer in {timeout:g} s"
    except (OSError, HTTPException) as error:
        return type(error).__name__
    finally:
        connection.close()


def _metric(server: Server, name: str) -> float:
    connection = HTTPConnection(_HOST, server.port)
    connection.request("GET", "/metrics")
    lines = connection.getresponse().read().decode().splitlines()
    connection.close()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(name))


def _batches(server: Server) -> int:
    return int(_metric(server, "endotwin_device_seconds_count"))


def _is_closed(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        while part := connection.recv(1 << 16):
            pass
    except BlockingIOError:
        return False
    except OSError:
        return True
    return not part


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def _say(what: str, value: object) -> None:
    typer.echo(f"{what}: {value}")


if __name__ == "__main__":
    typer.run(main)
