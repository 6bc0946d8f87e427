"""What a service that stops answers: it is not ready, and takes no request that is not about its health."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from service.error_codes import ErrorCode
from service.errors import ApiError

_ANSWERED_TO_THE_END = ("/livez", "/healthz", "/metrics")
_RETRY_AFTER_SECONDS = 5


class Stopping:
    """Whether the service stops.

    Attributes:
        began: it does; set by the web server, for good.
    """

    def __init__(self) -> None:
        self.began = False


class RefuseWhileStopping:
    """ASGI middleware that answers 503 once the service stops; open streams go on."""

    def __init__(self, app: ASGIApp, stopping: Stopping) -> None:
        self.app = app
        self._stopping = stopping

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] == "http" and self._stopping.began and scope["path"] not in _ANSWERED_TO_THE_END:
            await stopping_error().response()(scope, receive, send)
            return
        await self.app(scope, receive, send)


def stopping_error() -> ApiError:
    """Return the error for a request that comes too late."""
    headers = {"Retry-After": str(_RETRY_AFTER_SECONDS), "Connection": "close"}
    return ApiError(ErrorCode.NOT_READY, "the service is stopping", headers=headers)
