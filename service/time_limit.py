"""The longest time that a request waits for the first byte of its answer."""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.error_codes import ErrorCode
from service.errors import ApiError


class FirstByteLimit:
    """ASGI middleware that answers 504 when an answer has not begun in time; open streams go on."""

    def __init__(self, app: ASGIApp, seconds: float) -> None:
        self.app = app
        self.seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and cancel it if its answer does not begin."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_in_time(message: Message) -> None:
            limit.reschedule(None)
            await send(message)

        try:
            async with asyncio.timeout(self.seconds) as limit:
                await self.app(scope, receive, send_in_time)
        except TimeoutError:
            if not limit.expired():
                raise
            message = f"the answer did not begin within {self.seconds:g} s; try again later"
            await ApiError(ErrorCode.TIMEOUT, message).response()(scope, receive, send)
