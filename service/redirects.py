"""Redirects that name no host: the one in a request's `Host` header is the client's word."""

from __future__ import annotations

import re

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class RelativeRedirects:
    """ASGI middleware that cuts `http://host` off the `Location` of a redirect.

    The router answers a path with a slash too many or too few with a redirect to the host that the
    request names.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on but the host of a redirect."""

        async def send_relative(message: Message) -> None:
            if message["type"] == "http.response.start" and 300 <= message["status"] < 400:
                headers = [
                    (name, _without_host(value) if name.lower() == b"location" else value)
                    for name, value in message["headers"]
                ]
                message = {**message, "headers": headers}
            await send(message)

        await self.app(scope, receive, send_relative if scope["type"] == "http" else send)


def _without_host(location: bytes) -> bytes:
    path = re.sub(rb"^[a-z]+://[^/?#]*", b"", location)
    return b"/" + path.lstrip(b"/")  # two slashes would begin a host
