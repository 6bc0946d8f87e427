"""Connect to a Ray cluster, or start one on this machine for as long as the command runs."""

from __future__ import annotations

import logging
import os
import secrets
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from endotwin.sets.manifest import SetError

LOCAL = "local"
"""The address of a cluster of this machine alone."""

_OBJECT_STORE_BYTES = 100 << 20  # it holds only the checkpoint; Ray takes at least 75 MiB
_REACHABLE_WITHIN_SECONDS = 10
_LOCAL_ATTEMPTS = 3
"""How often a local cluster is tried: Ray waits 30 s for its processes, too short on a busy machine."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM)

_LOCAL_ENVIRONMENT = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
"""Ray listens on all interfaces; the token keeps others out. Ray reads it once, so each process has one."""


class ClusterError(SetError):
    """A Ray cluster cannot be used; the message says why and what to do."""


@contextmanager
def connected(address: str) -> Iterator[Any]:
    """Connect to a cluster for the length of the block.

    Usage reports are off. A local cluster has no dashboard and ends with the block, or with this process
    however that ends.

    Args:
        address: `local`, `auto` for the cluster that this machine is part of, or HOST:PORT.

    Yields:
        The module `ray`, ready to use.

    Raises:
        ClusterError: it cannot be used, for example because it has another version of Ray or Python.
    """
    local = address == LOCAL
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    if local:
        os.environ.update(_LOCAL_ENVIRONMENT)
    import ray  # noqa: PLC0415 (an extra; it takes a second)

    own: dict[str, Any] = {}
    if local:
        own = {"include_dashboard": False, "object_store_memory": _OBJECT_STORE_BYTES}
    handlers = {number: signal.getsignal(number) for number in _SIGNALS}
    try:
        for left in reversed(range(_LOCAL_ATTEMPTS if local else 1)):
            try:
                ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **own)
                break
            except Exception as error:  # Ray raises bare ones, too
                ray.shutdown()
                if left == 0:
                    raise ClusterError(f"--ray {address}: {' '.join(str(error).split())}") from error
    finally:
        for number, handler in handlers.items():  # Ray has put its own there
            signal.signal(number, handler)
    try:
        yield ray
    finally:
        ray.shutdown()


def check_cluster(address: str) -> None:
    """Check what can be checked in seconds; Ray takes a minute to notice that no server answers.

    Raises:
        ClusterError: Ray is not installed, or the address is invalid or nothing answers there.
    """
    if find_spec("ray") is None:
        raise ClusterError("--ray takes Ray, which is not installed here: pip install 'endotwin[ray]'")
    if address in (LOCAL, "auto"):
        return
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not port.isdecimal():
        raise ClusterError(
            f"--ray takes local, auto or the HOST:PORT of a cluster's head node (usually port 6379), "
            f"got {address!r}"
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), _REACHABLE_WITHIN_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise ClusterError(
            f"--ray {address}: nothing answers there ({error}); `ray start --head` prints its address"
        ) from error
