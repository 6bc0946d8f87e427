"""The socket that listens, made before anything is imported that takes long."""

from __future__ import annotations

import socket
import sys

BACKLOG = 2048

_MOST_UNSENT = 1 << 16
"""Bytes that the system takes from a stream before the network has room for them."""


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens: connections wait until the models have run.

    Raises:
        OSError: the address is not one of this machine, or the port is in use.
    """
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Else the body of an answer on a kept connection waits 40 ms for the client's word on its head.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if sys.platform == "linux":
            # Connections inherit it: else the system takes 4 MB for each client that reads nothing.
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _MOST_UNSENT)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise OSError(f"cannot listen on port {port} of {host}: {error.strerror}") from error
    return listener
