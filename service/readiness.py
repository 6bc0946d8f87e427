"""Whether the service can answer requests for images, for whatever asks /readyz and /livez."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from service.error_codes import ErrorCode
from service.errors import ApiError
from service.runtime import Runtime


def add_health_pages(app: FastAPI) -> None:
    """Answer GET /livez, /healthz and /readyz where nothing before them did."""

    async def show_health(request: Request) -> Response:
        return PlainTextResponse("\n")

    for path in ("/livez", "/healthz", "/readyz"):
        app.add_route(path, show_health, include_in_schema=False)


class Readiness:
    """ASGI middleware: 503 with the reason from /readyz while no device works or no key can be checked.

    From /livez only when nothing but a new process helps, so that whoever watches it starts one.
    """

    def __init__(self, app: ASGIApp, runtime: Callable[[], Runtime]) -> None:
        """Wrap an application; `runtime` returns what knows devices and keys."""
        self.app = app
        self._runtime = runtime

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on but these two."""
        path = scope["path"] if scope["type"] == "http" else ""
        if path in ("/readyz", "/livez"):
            runtime = self._runtime()
            problem = runtime.device.problem
            if path == "/livez" and not runtime.device.needs_restart:
                problem = None
            elif path == "/readyz" and problem is None and runtime.keyring is not None:
                problem = runtime.keyring.problem
            if problem is not None:
                await ApiError(ErrorCode.NOT_READY, problem).response()(scope, receive, send)
                return
        await self.app(scope, receive, send)
