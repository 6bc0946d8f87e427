"""Pages of other origins, which browsers let use the service only if the operator names them."""

from __future__ import annotations

from starlette.datastructures import State
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

_METHODS = ("GET", "POST", "DELETE")
_HEADERS = ("Authorization", "Content-Type", "Idempotency-Key", "X-Request-Id")


class CrossOrigin:
    """ASGI middleware that answers browsers for the origins of the settings, and sends nothing without any.

    It stands before the check of keys: a browser asks without a key first.
    """

    def __init__(self, app: ASGIApp, state: State) -> None:
        """Wrap an application.

        Args:
            app: the application.
            state: has the `service.runtime.Runtime` as `runtime`, once there is one.
        """
        self._plain = app
        self._state = state
        self._shared: CORSMiddleware | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer that of a browser that asks whether it may send one."""
        runtime = getattr(self._state, "runtime", None)
        if self._shared is None and runtime is not None and runtime.settings.cors_origins:
            self._shared = CORSMiddleware(
                self._plain,
                allow_origins=runtime.settings.cors_origins,
                allow_methods=_METHODS,
                allow_headers=_HEADERS,
                expose_headers=["*"],
            )
        await (self._shared or self._plain)(scope, receive, send)
