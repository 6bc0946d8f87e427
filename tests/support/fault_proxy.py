"""An HTTP proxy in front of an S3 server that makes requests fail the way networks and servers do."""

from __future__ import annotations

import http.client
import random
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KINDS = ("500", "503", "reset", "lost", "hang", "truncated")
"""Errors of the server, a connection reset before and after the server got the request, a server that
says no more, and half an answer."""

_HANG_SECONDS = 60
_CODES = {"500": "InternalError", "503": "SlowDown"}
_HOP = {"connection", "transfer-encoding", "keep-alive"}


class FaultProxy(ThreadingHTTPServer):
    """Passes requests on to a port of this machine, but for some.

    Attributes:
        every: of this many requests in a row each kind of fault happens to one, in random order; 0 for no
            faults.
        refusal: (status, code) of an error that every request gets while it is set.
        refused: how many requests got it.
        happened: how often each kind of fault did.
    """

    daemon_threads = True

    def __init__(self, upstream: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = upstream
        self.every = 0
        self.refusal: tuple[int, str] | None = None
        self.refused = 0
        self.happened: Counter[str] = Counter()
        self._schedule: list[str | None] = []
        self._random = random.Random(0)
        self._lock = threading.Lock()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def next_fault(self) -> str | None:
        with self._lock:
            if not self.every:
                return None
            if not self._schedule:
                self._schedule = [*KINDS, *[None] * (self.every - len(KINDS))]
                self._random.shuffle(self._schedule)
            fault = self._schedule.pop()
            if fault is not None:
                self.happened[fault] += 1
            return fault

    def handle_error(self, *_: object) -> None:
        """Clients that leave are nothing to report."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FaultProxy

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.server.refusal is not None:
            self.server.refused += 1
            return self._refuse(*self.server.refusal)
        fault = self.server.next_fault()
        if fault in _CODES:
            return self._refuse(int(fault), _CODES[fault])
        if fault == "reset":
            return self._reset()
        if fault == "hang":
            time.sleep(_HANG_SECONDS)
            return self._reset()
        status, headers, content = self._forward(body)
        if fault == "lost":
            return self._reset()
        self._answer(status, headers, content, cut=fault == "truncated")

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _handle  # noqa: N815

    def _forward(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.upstream, timeout=60)
        headers = {
            name: value
            for name, value in self.headers.items()
            if name.lower() not in {"expect", "connection"}
        }
        try:
            connection.request(self.command, self.path, body, headers)
            reply = connection.getresponse()
            return reply.status, reply.getheaders(), reply.read()
        except OSError:  # the server is down: so is this one
            return 503, [("Content-Length", "0")], b""
        finally:
            connection.close()

    def _answer(self, status: int, headers: list[tuple[str, str]], content: bytes, *, cut: bool) -> None:
        lines = [f"HTTP/1.1 {status} Answer"]
        lines += [f"{name}: {value}" for name, value in headers if name.lower() not in _HOP]
        if not any(name.lower() == "content-length" for name, _ in headers) and status != 204:
            lines.append(f"Content-Length: {len(content)}")
        head = "\r\n".join([*lines, "", ""]).encode()
        if cut:
            whole = head + content
            self.wfile.write(whole[: len(head) + len(content) // 2 if content else len(head) // 2])
            return self._reset(gently=True)
        self.wfile.write(head + content)

    def _refuse(self, status: int, code: str) -> None:
        content = (
            f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>as asked</Message></Error>".encode()
        )
        headers = [("Content-Type", "application/xml"), ("Content-Length", str(len(content)))]
        self._answer(status, headers, b"" if self.command == "HEAD" else content, cut=False)

    def _reset(self, *, gently: bool = False) -> None:
        if not gently:  # a reset instead of an orderly end
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.wfile.flush()
        self.connection.close()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def running_proxy(upstream: int) -> Iterator[FaultProxy]:
    with FaultProxy(upstream) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
            thread.join()
