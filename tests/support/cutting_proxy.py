"""A TCP proxy in front of a service that cuts or damages every third stream of images."""

from __future__ import annotations

import random
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Literal

_MOST_BYTES = 60_000


class CuttingProxy:
    """Passes connections on to a port of this machine.

    Attributes:
        port: where it listens.
        every: of so many requests for images one has a fault.
        fault: `cut` closes the connection somewhere in the answer, `damage` changes a byte of it.
        streams: how many requests for images came.
        faults: how many of their answers were cut or damaged.
        starts: value of `start` in each of these requests.
    """

    def __init__(self, upstream: int, every: int, fault: Literal["cut", "damage"]) -> None:
        self.every, self.fault = every, fault
        self.streams = self.faults = 0
        self.starts: list[int] = []
        self._upstream = upstream
        self._random = random.Random(0)
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        server = socket.create_connection(("127.0.0.1", self._upstream))
        fault_at: list[int | None] = [None]
        back = threading.Thread(target=self._answer, args=(client, server, fault_at), daemon=True)
        back.start()
        with suppress(OSError):
            while data := client.recv(1 << 16):
                if data.startswith(b"POST /generate"):
                    fault_at[0] = self._next_fault(data)
                server.sendall(data)
        _shut(server)
        back.join()

    def _next_fault(self, request: bytes) -> int | None:
        with self._lock:
            self.streams += 1
            self.starts.append(int(request.partition(b"start=")[2].split(b"&")[0]))
            return None if self.streams % self.every else self._random.randrange(_MOST_BYTES)

    def _answer(self, client: socket.socket, server: socket.socket, fault_at: list[int | None]) -> None:
        with suppress(OSError):
            while data := server.recv(4096):
                left = fault_at[0]
                if left is None or left >= len(data):
                    client.sendall(data)
                    fault_at[0] = None if left is None else left - len(data)
                    continue
                self.faults += 1
                fault_at[0] = None
                if self.fault == "cut":
                    client.sendall(data[:left])
                    break
                client.sendall(data[:left] + bytes([data[left] ^ 0x55]) + data[left + 1 :])
        _shut(client)
        _shut(server)


def _shut(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def running_cutting_proxy(
    upstream: int, every: int = 3, fault: Literal["cut", "damage"] = "cut"
) -> Iterator[CuttingProxy]:
    proxy = CuttingProxy(upstream, every, fault)
    try:
        yield proxy
    finally:
        proxy.close()
