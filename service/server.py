"""The web server: uvicorn with limits on connections, and with an end that comes within the grace."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import socket
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

import uvicorn

from endotwin.settings import Settings, SettingsError, variable
from service.connections import ConnectionLimits
from service.listener import BACKLOG
from service.stopping import Stopping

logger = logging.getLogger("endotwin")

_ACCEPTED_AT_ONCE = 64
"""asyncio accepts as many connections in a row as it was told the backlog is, before it can close any."""

_OTHER_DESCRIPTORS = 256
_OTHER_CONNECTIONS = 32
"""Connections beside those of streams, for probes and short requests."""

_REFUSING_SECONDS = 1.0
"""How long new requests are answered 503 while streams go on, before new connections are refused."""


def allowed_connections(settings: Settings) -> int:
    """Return how many connections there may be, once this process may open as many descriptors.

    Raises:
        SettingsError: there would be too few for the streams.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = settings.max_connections + _OTHER_DESCRIPTORS
    if wanted > soft != resource.RLIM_INFINITY:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    most = min(wanted, soft) - _OTHER_DESCRIPTORS if soft != resource.RLIM_INFINITY else wanted
    streams = settings.max_streams + settings.small_streams
    least = streams + _OTHER_CONNECTIONS
    if settings.max_connections < least:
        raise SettingsError(
            f"{variable('max_connections')}: must be {least} or more with {streams} streams, got "
            f"{settings.max_connections}"
        )
    if most < least:
        raise SettingsError(
            f"{variable('max_streams')}: {streams} streams need {least + _OTHER_DESCRIPTORS} open files, "
            f"and the system allows {hard} (ulimit -n)"
        )
    return most


class StoppableServer(uvicorn.Server):
    """A server that ends within a number of seconds after SIGTERM or SIGINT.

    It is not ready at once. While streams are open it refuses requests for a moment, and connections after
    that; it cuts the streams that are still open when it needs the rest of the time to end.
    """

    def __init__(
        self,
        load: Callable[[StoppableServer], Any],
        listener: socket.socket,
        settings: Settings,
        grace_seconds: float,
    ) -> None:
        """Prepare a server; nothing is loaded yet.

        Args:
            load: returns the application (ASGI), and sets `stopping`.
            listener: from `listen`.
            settings: of the operator.
            grace_seconds: after which the process has ended.

        Raises:
            SettingsError: as from `allowed_connections`.
        """
        limits = ConnectionLimits(allowed_connections(settings), settings.request_seconds)
        config = uvicorn.Config(
            lambda: load(self),
            factory=True,
            http=limits.protocol,  # type: ignore[arg-type]  # uvicorn calls it as it would a class
            ws="none",
            log_config=None,
            access_log=False,  # RequestLog writes one
            server_header=False,
            proxy_headers=bool(settings.trusted_proxies),
            forwarded_allow_ips=list(settings.trusted_proxies),
            backlog=_ACCEPTED_AT_ONCE,
        )
        super().__init__(config)
        self.stopping = Stopping()
        self._listener = listener
        self._grace = grace_seconds
        self._end: float | None = None

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        host, port, *_ = self._listener.getsockname()
        return host, port

    def serve_listener(self) -> None:
        """Serve until a signal comes."""
        self.run([self._listener])

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Run the models, then accept connections."""
        await super().startup(sockets)
        self._listener.listen(BACKLOG)  # asyncio has set it to what it accepts at once

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop; called again, by uvicorn too, it changes nothing but what uvicorn does with it."""
        if self._end is None:
            self._end = time.monotonic() + self._grace
            self.stopping.began = True
            watchdog = threading.Timer(self._grace - min(0.25, self._grace / 10), self._end_by_force)
            watchdog.daemon = True
            watchdog.start()
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Refuse what is new, let streams go on, and cut those that are left."""
        self.stopping.began = True  # should the signal have come before there was one
        refusing_until = time.monotonic() + min(_REFUSING_SECONDS, self._grace / 4)
        while self.server_state.tasks and not self.force_exit and time.monotonic() < refusing_until:
            await asyncio.sleep(0.05)
        end = time.monotonic() + self._grace if self._end is None else self._end
        needed = min(2.0, self._grace / 2)
        left = max(0.1, end - needed - time.monotonic())
        self.config.timeout_graceful_shutdown = left  # type: ignore[assignment]  # any number of seconds
        await super().shutdown(sockets)

    def _end_by_force(self) -> None:
        """End the process: what it leaves, it leaves as if it had been killed, which costs no data."""
        if self.started:
            logger.warning("ended by force: it was not done %g s after the signal", self._grace)
        sys.stdout.flush()
        os._exit(0)
