"""One line of the log for every request, however it ended, and the counts of requests by route."""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
import time
from collections.abc import Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service import metrics
from service.errors import from_status
from service.request_record import CURRENT_RECORD, RequestRecord

logger = logging.getLogger("endotwin.requests")

REQUEST_ID = "X-Request-Id"
_SANE_ID = re.compile(r"[A-Za-z0-9._~+/=:@-]{1,128}")
_LONGEST_TEXT = 200
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_PROBES = frozenset({"/livez", "/healthz", "/readyz", "/metrics"})
_ROUTES = _PROBES | {"/", "/docs.json", "/gallery", "/generate", "/jobs", "/models"}
"""Routes whose path is their template: a request that was refused before it got there has no route."""

_OTHER = "other"
_STOPPED = "service_stopped"
"""The code of a request that the stop of the service has cut: in the log only, since no answer has it."""

_FAILED = frozenset({"internal_error", "timeout"})


class RequestLog:
    """ASGI middleware that gives every request an id and writes its line. The outermost of ours.

    An error that nothing below has answered is answered here, or the connection is cut by returning without
    the end of the body: the line of the request has the traceback.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request and write its line."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        record = RequestRecord(_identify(Headers(scope=scope)))
        answer = _Answer(send, record)
        token = CURRENT_RECORD.set(record)
        error: Exception | None = None
        try:
            await self.app(scope, receive, answer.send)
        except asyncio.CancelledError:  # the server stops
            answer.aborted = True
            record.code = _STOPPED
            raise
        except Exception as caught:
            error = caught
            if not answer.status:
                await from_status(500, scope["path"]).response()(scope, receive, answer.send)
        finally:
            _write_line(scope, record, answer, error)
            CURRENT_RECORD.reset(token)


def log_refused_connection(
    what: str, record: RequestRecord, status: int, client: tuple[str, int] | None
) -> None:
    """Write the line of an answer that the web server gave to `what`, as where half a request came."""
    metrics.HTTP_REQUESTS.labels(_OTHER, _OTHER, str(status)).inc()
    fields = {
        "client": client[0] if client else None,
        "request_id": record.id,
        "status": status,
        "outcome": "refused",
        "code": record.code,
    }
    logger.info("%s %s refused", what, status, extra={"fields": fields})


class _Answer:
    """What has been sent for a request so far."""

    def __init__(self, send: Send, record: RequestRecord) -> None:
        self._send = send
        self._record = record
        self._began = time.perf_counter()
        self.status = 0
        self.bytes = 0
        self.first_byte: float | None = None
        self.complete = False
        self.aborted = False

    async def send(self, message: Message) -> None:
        """Send a message of ASGI, the first with the id of the request."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.first_byte = self.elapsed()
            MutableHeaders(scope=message)[REQUEST_ID] = self._record.id
        with self._record.timed("sending"):
            await self._send(message)
        if message["type"] == "http.response.body":
            self.bytes += len(message.get("body", b""))
            self.complete = not message.get("more_body", False)

    def elapsed(self) -> float:
        """Return the seconds since the request came."""
        return time.perf_counter() - self._began

    def outcome(self, error: Exception | None) -> str:
        """Return how the request ended: complete, refused, failed or aborted."""
        if error is not None or self._record.code in _FAILED:
            return "failed"
        if self.aborted or not self.complete:
            return "aborted"
        if self.status < 400:
            return "complete"
        return "refused" if self._record.code or self.status < 500 else "failed"


def _identify(headers: Headers) -> str:
    """Return the id that the client or its proxy has given a request, if it is sane, else a new one."""
    given = headers.get(REQUEST_ID, "")
    return given if _SANE_ID.fullmatch(given) else secrets.token_hex(16)


def _route(scope: Scope) -> str:
    """Return the template of a request's route: the values are few, whatever clients ask for."""
    if scope["path"] in _ROUTES:
        return str(scope["path"])
    template = getattr(scope.get("route"), "path", None)
    return template if isinstance(template, str) and template else _OTHER


def _write_line(scope: Scope, record: RequestRecord, answer: _Answer, error: Exception | None) -> None:
    route, outcome, elapsed = _route(scope), answer.outcome(error), answer.elapsed()
    method = scope["method"] if scope["method"] in _METHODS else _OTHER
    metrics.HTTP_REQUESTS.labels(route, method, str(answer.status)).inc()
    metrics.HTTP_SECONDS.labels(route).observe(elapsed)
    if route == "/generate" and outcome == "refused":
        metrics.REQUESTS.labels(outcome, record.code).inc()
    level = logging.ERROR if outcome == "failed" else logging.INFO
    if route in _PROBES and outcome == "complete":
        level = logging.DEBUG
    logger.log(
        level,
        "%s %s %s %s",
        method,
        route,
        answer.status or "-",
        outcome,
        exc_info=error,
        extra={"fields": {**_describe(scope), **_measured(record, answer, elapsed, outcome)}},
    )


def _describe(scope: Scope) -> Mapping[str, object]:
    client = scope.get("client")
    return {"client": client[0] if client else None, "path": scope["path"][:_LONGEST_TEXT]}


def _measured(record: RequestRecord, answer: _Answer, elapsed: float, outcome: str) -> Mapping[str, object]:
    seconds = {"total": elapsed, "first_byte": answer.first_byte, **record.seconds}
    return {
        "request_id": record.id,
        "status": answer.status or None,
        "outcome": outcome,
        **({"code": record.code} if record.code else {}),
        **record.fields,
        "bytes": answer.bytes,
        **{f"{name}_ms": round(value * 1000, 1) for name, value in seconds.items() if value is not None},
    }
