"""The check of every request, before any route sees it."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from service.access.caller import Caller, set_caller

_NO_ADDRESS = "local"
"""Of a client that has no address, as on a Unix socket."""


class AccessControl:
    """ASGI middleware that finds out who sends a request."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on with its caller."""
        if scope["type"] in ("http", "websocket"):
            client = scope.get("client")
            set_caller(scope, Caller(client[0] if client else _NO_ADDRESS))
        await self.app(scope, receive, send)
