"""The service's web server with an application that does what a test needs; loads in half a second.

Run it as `python stopping_server.py PORT GRACE_SECONDS REFUSING_SECONDS MOST_OPEN_FILES`.
"""

from __future__ import annotations

import asyncio
import resource
import signal
import sys
import time
from collections.abc import AsyncIterator

from starlette.responses import StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from endotwin.settings import Settings
from service import server as serving
from service.listener import listen
from service.request_log import RequestLog
from service.stopping import RefuseWhileStopping


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with as many parts as the query says, 20 a second; /block keeps the process busy for ever."""
    if scope["type"] != "http":
        return
    if scope["path"] == "/block":
        time.sleep(1e6)
    count = int(scope["query_string"] or b"0")

    async def parts() -> AsyncIterator[bytes]:
        for _ in range(count):
            yield b"part"
            await asyncio.sleep(0.05)

    await StreamingResponse(parts())(scope, receive, send)


def load(server: serving.StoppableServer) -> ASGIApp:
    """Return the application."""
    return RequestLog(RefuseWhileStopping(application, server.stopping))


def main() -> None:
    """Serve until a signal comes."""
    port, grace, refusing, files = (float(argument) for argument in sys.argv[1:])
    resource.setrlimit(resource.RLIMIT_NOFILE, (int(files), int(files)))
    serving._REFUSING_SECONDS = refusing
    listener = listen("127.0.0.1", int(port))
    settings = Settings(request_seconds=1000)
    server = serving.StoppableServer(load, listener, settings, grace)
    signal.signal(signal.SIGTERM, server.handle_exit)
    server.serve_listener()
    print("done")


if __name__ == "__main__":
    main()
