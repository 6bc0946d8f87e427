"""Pages of BentoML that describe another service than this one: nothing is there."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from service.errors import from_status

_HIDDEN = ("/schema.json", "/static_content/")


class HiddenPages:
    """ASGI middleware that answers 404 for BentoML's list of its own routes and the files of its page."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is to be seen."""
        if scope["type"] == "http" and scope["path"].startswith(_HIDDEN):
            await from_status(404, scope["path"]).response()(scope, receive, send)
        else:
            await self.app(scope, receive, send)
