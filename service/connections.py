"""Connections that hold a descriptor without a request: how long, and how many there may be.

uvicorn has no limit for either. When there are too many, the one whose last whole request is the longest
ago makes room for the new one, unless it carries a stream: so a probe gets through however many are held.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
import struct
from http import HTTPStatus
from typing import Any

import h11
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from service import metrics
from service.error_codes import ErrorCode
from service.errors import ApiError
from service.request_log import REQUEST_ID, log_refused_connection
from service.request_record import CURRENT_RECORD, RequestRecord
from service.stopping import stopping_error

_UNSENT_SECONDS = 60.0
"""How long a client may take for the end of an answer that was handed to the system whole."""

_KEPT = "keep_connection"
_CLOSE = {"Connection": "close"}
_RESET_WHEN_CLOSED = struct.pack("ii", 1, 0)


def keep_connection(scope: Scope) -> None:
    """Let the connection of a request not be closed to make room for others: it holds a place already."""
    scope.setdefault("state", {})[_KEPT] = True


class ConnectionLimits:
    """The limits, and the open connections of a service by how long ago their last whole request was."""

    def __init__(self, most: int, request_seconds: float) -> None:
        """Begin without connections.

        Args:
            most: connections at a time.
            request_seconds: how long a request may take to arrive, its body included.
        """
        self.most = most
        self.request_seconds = request_seconds
        self._open: dict[GuardedConnection, None] = {}

    def protocol(
        self, config: Config, server_state: ServerState, app_state: dict[str, Any], _loop: Any = None
    ) -> GuardedConnection:
        """Return the protocol of a new connection, as uvicorn asks for it."""
        return GuardedConnection(config, server_state, app_state, _loop, limits=self)

    def add(self, connection: GuardedConnection) -> None:
        """Count a new connection, and close another if there are too many."""
        self._open[connection] = None
        metrics.OPEN_CONNECTIONS.set(len(self._open))
        if len(self._open) > self.most:
            oldest = next(other for other in self._open if not other.is_kept)
            self.remove(oldest)
            metrics.CONNECTIONS_CLOSED.labels("room").inc()
            oldest.abort()

    def renew(self, connection: GuardedConnection) -> None:
        """Note that a whole request has come over a connection."""
        if connection in self._open:
            self._open[connection] = self._open.pop(connection)

    def remove(self, connection: GuardedConnection) -> None:
        """Forget a connection."""
        self._open.pop(connection, None)
        metrics.OPEN_CONNECTIONS.set(len(self._open))


class GuardedConnection(H11Protocol):
    """One connection: uvicorn's, with time limits, and with streams that are cut so that clients see it."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        limits: ConnectionLimits,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._limits = limits
        self._application: ASGIApp = config.loaded_app
        self.app = self._answer
        self._arrival: asyncio.TimerHandle | None = None
        self._unsent: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._limits.add(self)
        self._watch_arrival()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop all clocks."""
        self._limits.remove(self)
        _cancel(self._arrival)
        _cancel(self._unsent)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came; the clock runs on until the request is whole."""
        self._watch_arrival()
        super().data_received(data)
        self._note_arrival()

    def on_response_complete(self) -> None:
        """Wait for the next request, and for the client to take the last of this answer."""
        super().on_response_complete()
        _cancel(self._unsent)
        self._unsent = self.loop.call_later(_UNSENT_SECONDS, self._abort_if_unsent)
        self._note_arrival()

    def abort(self) -> None:
        """Close at once; what was not sent yet is lost."""
        self.transport.abort()

    @property
    def is_kept(self) -> bool:
        """Whether a request of `keep_connection` is being answered."""
        answering = self.cycle is not None and not self.cycle.response_complete
        return answering and bool(self.cycle.scope["state"].get(_KEPT))

    def _note_arrival(self) -> None:
        if self.conn.their_state is h11.SEND_BODY or (
            self.conn.their_state is h11.IDLE and self.conn.trailing_data[0]
        ):
            self._watch_arrival()
        elif self._arrival is not None and self.conn.their_state is not h11.IDLE:
            _cancel(self._arrival)
            self._arrival = None
            _cancel(self._unsent)  # it was for the answer before
            self._limits.renew(self)

    def _watch_arrival(self) -> None:
        if self._arrival is None:
            self._arrival = self.loop.call_later(self._limits.request_seconds, self._give_up_request)

    def _give_up_request(self) -> None:
        """Answer 408 where half a request came, and close."""
        self._arrival = None
        if self.conn.our_state is h11.IDLE and self.conn.trailing_data[0]:
            message = f"no whole request came within {self._limits.request_seconds:g} s"
            metrics.CONNECTIONS_CLOSED.labels("request_timeout").inc()
            error = ApiError(ErrorCode.REQUEST_TIMEOUT, message, headers=_CLOSE)
            response = _outside_of_a_request("incomplete request", error, self.client)
            reason = HTTPStatus(response.status_code).phrase.encode()
            for event in (
                h11.Response(status_code=response.status_code, headers=response.raw_headers, reason=reason),
                h11.Data(data=bytes(response.body)),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
        self._limits.remove(self)
        self.transport.close()

    def _abort_if_unsent(self) -> None:
        self._unsent = None
        if self.transport.get_write_buffer_size():
            metrics.CONNECTIONS_CLOSED.labels("unread").inc()
            self.abort()

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application (ASGI); a response that it does not bring to its end is cut visibly."""
        cycle = self.cycle
        try:
            await self._application(scope, receive, send)
        except asyncio.CancelledError:  # the server stops
            if not cycle.response_started:
                response = _outside_of_a_request("unanswered request", stopping_error(), self.client)
                await response(scope, receive, send)
                cycle.disconnected = True  # nothing that goes on in the application gets through any more
        finally:
            if cycle.response_started and not cycle.response_complete and not cycle.disconnected:
                cycle.disconnected = True  # or uvicorn would log that the response has no end
                self._cut(scope)

    def _cut(self, scope: Scope) -> None:
        """Close a connection in the middle of a response.

        HTTP/1.0 ends a response of unknown length by closing the connection: there a reset says that it is
        not the end. Proxies use it, nginx by default.
        """
        if scope["http_version"] == "1.0":
            connection: socket.socket = self.transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_WHEN_CLOSED)
        self.abort()


def _outside_of_a_request(what: str, error: ApiError, client: tuple[str, int] | None) -> Response:
    """Return the response to `what` for an error that the application does not see, and write its line."""
    record = RequestRecord(secrets.token_hex(16))
    token = CURRENT_RECORD.set(record)
    try:
        response = error.response()
    finally:
        CURRENT_RECORD.reset(token)
    response.headers[REQUEST_ID] = record.id
    log_refused_connection(what, record, response.status_code, client)
    return response


def _cancel(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()
