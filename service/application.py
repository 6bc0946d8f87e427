"""The application that is served, whoever runs it: the routes, and what stands before them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp

from service.access.control import AccessControl
from service.access.cors import CrossOrigin
from service.app import create_app
from service.readiness import Readiness
from service.redirects import RelativeRedirects
from service.request_log import RequestLog
from service.runtime import Runtime
from service.stopping import RefuseWhileStopping, Stopping
from service.time_limit import FirstByteLimit

FIRST_BYTE_LIMIT_SECONDS = 600


class Application:
    """The routes, before there is a runtime that they answer with.

    Attributes:
        routes: an application without what stands before it.
        layers: ASGI middleware and its arguments, the outermost first.
        stopping: whether the service stops.
    """

    def __init__(self) -> None:
        self.routes: FastAPI = create_app(_run)
        self.stopping = Stopping()
        state = self.routes.state
        self.layers: list[tuple[Any, dict[str, Any]]] = [
            (RequestLog, {}),
            (CrossOrigin, {"state": state}),
            (RelativeRedirects, {}),
            (Readiness, {"runtime": lambda: state.runtime}),
            (RefuseWhileStopping, {"stopping": self.stopping}),
            (FirstByteLimit, {"seconds": FIRST_BYTE_LIMIT_SECONDS}),
            (AccessControl, {"state": state}),
        ]

    def answer_with(self, runtime: Runtime) -> None:
        """Answer requests with a runtime."""
        self.routes.state.runtime = runtime

    def asgi(self) -> ASGIApp:
        """Return the whole, for a web server."""
        whole: ASGIApp = self.routes
        for layer, arguments in reversed(self.layers):
            whole = layer(whole, **arguments)
        return whole


@asynccontextmanager
async def _run(app: FastAPI) -> AsyncIterator[None]:
    """Check the models once the server is up, and close the runtime when it stops."""
    runtime: Runtime = app.state.runtime
    runtime.check_models()
    yield
    runtime.close()
