"""The service as a process of its own, started and asked for images over loopback to be measured."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlencode

_HOST = "127.0.0.1"
_ROOT = Path(__file__).resolve().parents[1]
_READY_WITHIN_SECONDS = 600
_STOPPED_WITHIN_SECONDS = 60
_POLL_SECONDS = 0.05
_READ_BYTES = 1 << 20


class ServerError(Exception):
    """The server did not start, or answered something other than what was asked for."""


@dataclass(frozen=True)
class Server:
    """A server that is ready.

    Attributes:
        port: where it listens, on 127.0.0.1.
        pid: of its process.
        ready_seconds: from starting the process to the first 200 of /readyz.
    """

    port: int
    pid: int
    ready_seconds: float

    def fetch(self, n: int, seed: int, kind: str, **more: str) -> float:
        """Ask for images 0 to n - 1 of a seed and read the response to its end.

        Args:
            n: number of images.
            seed: their seed.
            kind: tar, zip or npy.
            more: further parameters of the request.

        Returns:
            Seconds from opening the connection to the last byte.

        Raises:
            ServerError: the response is not the whole set.
        """
        buffer = bytearray(_READ_BYTES)
        began = time.perf_counter()
        with closing(HTTPConnection(_HOST, self.port)) as connection:
            query = urlencode({"n": n, "seed": seed, "format": kind, **more})
            connection.request("POST", f"/generate?{query}")
            response = connection.getresponse()
            if response.status != 200:
                raise ServerError(f"{response.status}: {response.read().decode(errors='replace')}")
            announced = response.getheader("Content-Length")
            received = 0
            while count := response.readinto(buffer):  # of a chunked response that is cut, this raises
                received += count
        seconds = time.perf_counter() - began
        if announced is not None and received != int(announced):
            raise ServerError(f"{received} bytes of {announced}: the server cut the response")
        return seconds

    def peak_memory(self) -> float:
        """Return the most resident memory that the process has used so far, in MiB (Linux only)."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        kibibytes = re.search(r"^VmHWM:\s*(\d+) kB$", status, re.MULTILINE)
        if kibibytes is None:
            raise ServerError("the kernel does not report the peak memory of a process")
        return int(kibibytes[1]) / 1024


@contextmanager
def running_server(settings: Mapping[str, str], log: Path, *, files: int | None = None) -> Iterator[Server]:
    """Run `endotwin serve` on this repository, from its start to its stop.

    Args:
        settings: environment variables besides those of this process.
        log: file that gets what the server prints.
        files: most files and connections that it may have open; by default as many as this process.

    Raises:
        ServerError: it is not ready within ten minutes, or it exits; the message ends with its last lines.
    """
    with closing(socket.socket()) as probe:
        probe.bind((_HOST, 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "endotwin", "serve", "--host", _HOST, "--port", str(port)]
    if files is not None:
        command = ["sh", "-c", f'ulimit -n {files} && exec "$@"', "sh", *command]
    with log.open("wb") as output:
        began = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=_ROOT, env={**os.environ, **settings}, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            _wait_until_ready(process, port, log)
            yield Server(port, process.pid, time.perf_counter() - began)
        finally:
            process.terminate()
            try:
                process.wait(_STOPPED_WITHIN_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_until_ready(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _READY_WITHIN_SECONDS
    while not _is_ready(port):
        if process.poll() is not None or time.monotonic() > deadline:
            lines = log.read_text(errors="replace").splitlines()[-10:]
            state = "is not ready" if process.returncode is None else f"exited with {process.returncode}"
            raise ServerError("\n".join([f"the server {state}; the end of {log}:", *lines]))
        time.sleep(_POLL_SECONDS)


def _is_ready(port: int) -> bool:
    try:
        with closing(HTTPConnection(_HOST, port, timeout=1)) as connection:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
    except OSError:
        return False
