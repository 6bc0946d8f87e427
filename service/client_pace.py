"""How fast a client takes what it is sent, and when that is too slow."""

from __future__ import annotations

import asyncio
import math

from starlette.types import Message, Send

_LEAST_PART_BYTES = 1 << 14
_MOST_PART_BYTES = 1 << 24
_FLUSH: Message = {"type": "http.response.body", "body": b"", "more_body": True}


class SlowClientError(Exception):
    """The client took the data too slowly; the message says by which limit."""


class ClientPace:
    """Send to one client, part by part, and give up on one that falls behind.

    The clock runs only while data waits for the client. Every part may take as long as it does at the least
    rate; what it takes beyond that adds up, and a faster part makes up for it.
    """

    def __init__(self, send: Send, patience: float, least_rate: float) -> None:
        """Begin with a client that is not behind.

        Args:
            send: of the request (ASGI).
            patience: seconds that the client may be behind.
            least_rate: bytes per second; `math.inf` gives no time for the data itself.
        """
        self._send = send
        self._patience = patience
        self._least_rate = least_rate
        self._behind = 0.0
        # What a client who takes nothing gets in addition is a tenth of the patience.
        self._part_bytes = max(_LEAST_PART_BYTES, int(min(patience * least_rate / 10, _MOST_PART_BYTES)))

    async def send(self, message: Message) -> None:
        """Send a message and return when the system has taken it, so that nothing more is made till then.

        Raises:
            SlowClientError: the client is too far behind.
        """
        body = message.get("body", b"")
        if len(body) <= self._part_bytes:
            await self._send_part(message)
            return
        for begin in range(0, len(body), self._part_bytes):
            await self._send_part({**message, "body": body[begin : begin + self._part_bytes]})

    async def _send_part(self, message: Message) -> None:
        due = len(message.get("body", b"")) / self._least_rate
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            async with asyncio.timeout(self._patience - self._behind + due):
                await self._send(message)
                if message.get("more_body"):
                    # The web server waits for the part before only when it is given another one.
                    await self._send(_FLUSH)
        except TimeoutError as error:
            raise SlowClientError(self._reason()) from error
        self._behind = max(0.0, self._behind + clock() - began - due)

    def _reason(self) -> str:
        if math.isinf(self._least_rate):
            return f"it kept a small answer waiting for {self._patience:g} s"
        return f"it fell {self._patience:g} s behind {self._least_rate:g} bytes per second"
