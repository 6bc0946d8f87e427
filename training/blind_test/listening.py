"""Runs the page's server on an address of this machine until it is stopped."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from pathlib import Path

import uvicorn

from training.blind_test.answers import AnswerStore
from training.blind_test.documents import ANSWERS, read_set
from training.blind_test.errors import BlindTestError
from training.blind_test.server import make_app

_LOCAL_NAMES = ["127.0.0.1", "localhost", "[::1]"]


def serve(folder: Path, host: str, port: int, started: Callable[[str], object]) -> None:
    """Serve a blind test until SIGINT or SIGTERM.

    Args:
        folder: of the blind test.
        host: address or name of this machine to listen on.
        port: 0 takes one that is free.
        started: called with the page's address when it can be opened.

    Raises:
        BlindTestError: the folder holds no blind test, its answers cannot be kept, or the address is taken.
    """
    blind_set = read_set(folder)
    answers = AnswerStore(folder / ANSWERS)
    try:
        listening = _listen(host, port)
        app = make_app(folder, blind_set, answers, [host, *_LOCAL_NAMES] if is_loopback(host) else ["*"])
        number = listening.getsockname()[1]
        started(f"http://{f'[{host}]' if ':' in host else host}:{number}/")
        uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listening])
    finally:
        answers.close()


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            listening.listen(128)
        except OSError:
            listening.close()
            raise
    except OSError as error:
        raise BlindTestError(
            f"cannot listen on {host}, port {port}: {error.strerror or error}; --port 0 takes a free port"
        ) from error
    return listening
