"""The service in a process of its own, and clients for it: what the tests over HTTP share."""

from __future__ import annotations

import http.client
import io
import itertools
import json
import os
import socket
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
from prometheus_client.parser import text_string_to_metric_families
from waiting import PATIENCE_SECONDS, wait_for

from endotwin.process_environment import GENERATING

ROOT = Path(__file__).resolve().parents[2]
MAX_STREAMS = 8
"""Streams that the servers of most tests allow."""

KUBERNETES = {
    "ENDOTWIN_PORT": "tcp://10.0.0.1:3000",
    "ENDOTWIN_SERVICE_HOST": "10.0.0.1",
    "ENDOTWIN_SERVICE_PORT": "3000",
    "ENDOTWIN_SERVICE_PORT_HTTP": "3000",
    "ENDOTWIN_PORT_3000_TCP": "tcp://10.0.0.1:3000",
    "ENDOTWIN_PORT_3000_TCP_PROTO": "tcp",
    "ENDOTWIN_PORT_3000_TCP_PORT": "3000",
    "ENDOTWIN_PORT_3000_TCP_ADDR": "10.0.0.1",
    "ENDOTWIN_SOME_SETS_SERVICE_HOST": "fd00::1",
    "ENDOTWIN_SOME_SETS_PORT": "udp://[fd00::1]:53",
}
"""What Kubernetes sets in every pod for Services named endotwin and endotwin-some-sets."""

# A range for each worker of pytest-xdist, below the ports that Linux gives to clients.
_FIRST_PORT, _PORTS = 12_000 + 5_000 * (int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 4), 5_000
_ports = itertools.cycle(range(_FIRST_PORT, _FIRST_PORT + _PORTS))
for _ in range(os.getpid() % _PORTS):
    next(_ports)  # another run of the tests on this machine begins elsewhere


def free_port() -> int:
    """Return a port that is not in use, another at each call: a server may start only later."""
    for port in itertools.islice(_ports, _PORTS):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise OSError(f"no free port from {_FIRST_PORT} to {_FIRST_PORT + _PORTS - 1}")


def environment(home: Path, **settings: str) -> dict[str, str]:
    """Return the variables of a server with these settings only, and with its files in `home`."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("ENDOTWIN_") and name not in GENERATING  # the service sets these itself
    }
    # One thread: the tests share the machine with the server, and bytes do not depend on it.
    own = {"BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "true", "OMP_NUM_THREADS": "1"}
    return {**kept, **own, **{f"ENDOTWIN_{name.upper()}": value for name, value in settings.items()}}


GRACE_SECONDS = 2
"""How long a server that is stopped lets open streams go on."""


def serve_command(port: int) -> list[str]:
    """Return the command that `endotwin serve` becomes."""
    arguments = ["--host", "127.0.0.1", "--port", str(port), "--grace-seconds", str(GRACE_SECONDS)]
    return [sys.executable, "-m", "service", *arguments]


def bentoml_command(port: int) -> list[str]:
    """Return the command that serves with BentoML's supervisor, as a stored Bento is served."""
    arguments = ["--port", str(port), "--timeout-graceful-shutdown", str(GRACE_SECONDS)]
    return [sys.executable, "-m", "bentoml", "serve", "service:Service", "--host", "127.0.0.1", *arguments]


@dataclass(frozen=True)
class Reply:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def error(self) -> dict[str, str]:
        """The error, once its shape is checked."""
        content = json.loads(self.body)
        assert list(content) == ["error"]
        error = content["error"]
        assert set(error) - {"field"} == {"code", "message", "request_id"}
        assert error["request_id"] == self.headers["X-Request-Id"]
        assert all(isinstance(value, str) and value for value in error.values())
        assert "Traceback" not in error["message"]
        return dict(error)

    @property
    def images(self) -> np.ndarray:
        return np.load(io.BytesIO(self.body), allow_pickle=False)

    @property
    def members(self) -> dict[str, bytes]:
        """Name and content of every file in a tar or zip, in the order of the archive."""
        file = io.BytesIO(self.body)
        if self.headers["Content-Type"] == "application/zip":
            with zipfile.ZipFile(file) as archive:
                assert archive.testzip() is None
                return {name: archive.read(name) for name in archive.namelist()}
        with tarfile.open(fileobj=file, mode="r:") as archive:
            return {member.name: archive.extractfile(member).read() for member in archive}


class Client:
    """Talks to a server at a port of this machine, with a key if it is given one."""

    def __init__(self, port: int, key: str | None = None) -> None:
        self.port = port
        self.key = key

    def request(
        self,
        target: str,
        method: str = "POST",
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        timeout: float = PATIENCE_SECONDS,
    ) -> Reply:
        """Send a request and read the whole answer; `http.client.IncompleteRead` if it is cut."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            own = {} if self.key is None else {"Authorization": f"Bearer {self.key}"}
            connection.request(method, target, body, {**own, **(headers or {})})
            response = connection.getresponse()
            return Reply(response.status, response.headers, response.read())
        finally:
            connection.close()

    def exchange(self, request: bytes) -> bytes:
        """Send bytes as they are and return everything that comes until the connection is closed."""
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE_SECONDS) as connection:
            connection.sendall(request)
            return b"".join(iter(lambda: connection.recv(1 << 16), b""))

    def generate(self, query: str) -> Reply:
        reply = self.request(f"/generate?{query}")
        assert reply.status == 200, reply.body[:500]
        return reply

    def open_stream(self, query: str, headers: str = "") -> socket.socket:
        """Ask for images over a bare socket with a small buffer; return it after the first bytes came."""
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        connection.settimeout(PATIENCE_SECONDS)
        connection.connect(("127.0.0.1", self.port))
        connection.sendall(f"POST /generate?{query} HTTP/1.1\r\nHost: endotwin\r\n{headers}\r\n".encode())
        assert connection.recv(16).startswith(b"HTTP/1.1 200")
        return connection


class LiveServer(Client):
    """A service in a process of its own, or with `bentoml_command` in several.

    Attributes:
        metrics_when_ready: taken as soon as /readyz said 200, before any other request.
    """

    def __init__(
        self,
        home: Path,
        command: Callable[[int], list[str]] = serve_command,
        *,
        key: str | None = None,
        **settings: str,
    ) -> None:
        super().__init__(free_port(), key)
        self._log = home / "server.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command(self.port),
                cwd=ROOT,
                env={**environment(home, **settings), "TMPDIR": str(home)},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            wait_for(self._is_ready, "the server to be ready")
            self.metrics_when_ready = self.metrics()
        except BaseException:
            self.stop()
            raise

    def _is_ready(self) -> bool:
        assert self._process.poll() is None, self.log()
        try:
            return self.request("/readyz", "GET", timeout=5).status == 200
        except OSError:  # refused, or the connection is not accepted yet
            return False

    def log(self) -> str:
        """Return what its processes have printed so far."""
        return self._log.read_text()

    def processes(self) -> list[psutil.Process]:
        """Return its processes, the one that was started first."""
        first = psutil.Process(self._process.pid)
        return [first, *first.children(recursive=True)]

    def terminate(self) -> int:
        """Send SIGTERM; return the exit code."""
        self._process.terminate()
        return self._process.wait(PATIENCE_SECONDS)

    def metrics(self) -> dict[str, float]:
        """Return the samples of our own metrics, with labels of the same name added up."""
        totals: dict[str, float] = {}
        for family in text_string_to_metric_families(self.request("/metrics", "GET").body.decode()):
            for sample in family.samples:
                if sample.name.startswith("endotwin_"):
                    totals[sample.name] = totals.get(sample.name, 0.0) + sample.value
                    outcome = sample.labels.get("outcome")
                    if outcome:
                        key = f"{sample.name}:{outcome}"
                        totals[key] = totals.get(key, 0.0) + sample.value
        return totals

    def metric(self, name: str) -> float:
        return self.metrics().get(name, 0.0)

    def wait_until_idle(self) -> None:
        wait_for(lambda: self.metric("endotwin_open_streams") == 0, "all streams to end")

    def stop(self) -> None:
        """End all its processes."""
        processes = self.processes()[1:] if self.runs() else []
        self._process.terminate()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        _, alive = psutil.wait_procs(processes, timeout=10)
        for process in alive:
            process.kill()

    def runs(self) -> bool:
        """Return whether the first of its processes is there."""
        return self._process.poll() is None
