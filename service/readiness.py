"""Whether the devices of the service work, for whatever asks /readyz and /livez."""

from __future__ import annotations

from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from service.error_codes import ErrorCode
from service.errors import ApiError
from service.runtime import Runtime


class DeviceReadiness:
    """ASGI middleware: 503 with the reason from /readyz while nothing can be generated.

    From /livez only when nothing but a new process helps, so that whoever watches it starts one.
    """

    def __init__(self, app: ASGIApp, runtime: Callable[[], Runtime]) -> None:
        """Wrap an application; `runtime` returns what knows the devices."""
        self.app = app
        self._runtime = runtime

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on but these two."""
        path = scope["path"] if scope["type"] == "http" else ""
        if path in ("/readyz", "/livez"):
            device = self._runtime().device
            problem = device.problem
            if problem is not None and (path == "/readyz" or device.needs_restart):
                await ApiError(ErrorCode.NOT_READY, problem).response()(scope, receive, send)
                return
        await self.app(scope, receive, send)
