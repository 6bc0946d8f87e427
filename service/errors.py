"""Errors as clients see them: always {"error": {"code", "message", "field"?, "request_id"}}."""

from __future__ import annotations

import http
from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from endotwin.quoting import shorten
from service.error_codes import ErrorCode
from service.request_record import current_record

_BARE = {
    code.status: code
    for code in (ErrorCode.NOT_FOUND, ErrorCode.METHOD_NOT_ALLOWED, ErrorCode.NOT_READY, ErrorCode.TIMEOUT)
}
"""Codes of errors that come as a bare status."""


class ApiError(Exception):
    """A request that gets an error instead of what it asked for.

    Attributes:
        code: what went wrong, for programs; the HTTP status goes with it.
        message: what went wrong and what is allowed, for people.
        field: the parameter at fault, of the query or the body, where it is one.
        headers: further response headers.
    """

    def __init__(
        self,
        code: ErrorCode,
        message: str,
        *,
        field: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field
        self.headers = headers

    @property
    def status(self) -> int:
        """HTTP status."""
        return self.code.status

    def response(self) -> JSONResponse:
        """Return the HTTP response for this error to the request that is being answered."""
        record = current_record()
        record.code = self.code.value
        error = {"code": self.code.value, "message": self.message}
        if self.field is not None:
            error["field"] = self.field
        if record.id:
            error["request_id"] = record.id
        return JSONResponse({"error": error}, self.status, self.headers)


def invalid_parameter(field: str, message: str) -> ApiError:
    """Return the error for a parameter of the query or a field of the body that has a wrong value."""
    return ApiError(ErrorCode.INVALID_PARAMETER, message, field=field)


def from_status(status: int, path: str, headers: Mapping[str, str] | None = None) -> ApiError:
    """Return the error for a bare HTTP status, as the web framework raises it."""
    if status == 404:
        routes = "POST /generate, GET /models, POST /jobs, GET /docs.json"
        message = f"there is nothing at {shorten(path)}; see {routes}"
    elif status == 405:
        allowed = (headers or {}).get("Allow", "another method")
        message = f"{shorten(path)} takes {allowed} only"
    elif status >= 500:
        message = "the service failed; its log says why, under the request_id"
    else:
        message = http.HTTPStatus(status).phrase
    other = ErrorCode.INTERNAL_ERROR if status >= 500 else ErrorCode.BAD_REQUEST
    return ApiError(_BARE.get(status, other), message, headers=headers)


class ErrorShape:
    """ASGI middleware that gives the plain-text errors of BentoML's own routes the common shape."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on but the body of a plain-text error."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        replaced = False

        async def shape(message: Message) -> None:
            nonlocal replaced
            if replaced:
                return
            if message["type"] == "http.response.start" and message["status"] >= 400:
                headers = _text_headers(message)
                if headers["content-type"].startswith("text/plain"):
                    replaced = True
                    allowed = sorted(headers.get("allow", "").split(", "))
                    allow = {"Allow": ", ".join(allowed)} if "allow" in headers else None
                    response = from_status(message["status"], scope["path"], allow).response()
                    await response(scope, receive, send)
                    return
            await send(message)

        await self.app(scope, receive, shape)


def _text_headers(message: Message) -> dict[str, str]:
    pairs = (
        (name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in message["headers"]
    )
    return {"content-type": "", **dict(pairs)}


EVERYWHERE = (
    ErrorCode.REQUEST_TIMEOUT,
    ErrorCode.INTERNAL_ERROR,
    ErrorCode.NOT_READY,
    ErrorCode.TIMEOUT,
)
"""Errors that any route may give."""

_RETRY_AFTER = {
    "Retry-After": {
        "description": "seconds after which it is worth to try again",
        "schema": {"type": "integer", "minimum": 1},
    }
}
_AUTHENTICATE = {
    "WWW-Authenticate": {"description": "how to show a key", "schema": {"type": "string"}},
}
_HEADERS = {401: _AUTHENTICATE, 403: _AUTHENTICATE, 429: _RETRY_AFTER, 503: _RETRY_AFTER}
"""OpenAPI description of the headers of errors, by status."""

SCHEMAS: dict[str, Any] = {
    "Error": {
        "type": "object",
        "description": "What a request gets instead of what it asked for.",
        "properties": {"error": {"$ref": "#/components/schemas/ErrorDetails"}},
        "required": ["error"],
        "additionalProperties": False,
    },
    "ErrorDetails": {
        "type": "object",
        "properties": {
            "code": {"$ref": "#/components/schemas/ErrorCode"},
            "message": {"type": "string", "description": "what went wrong and what is allowed, for people"},
            "field": {"type": "string", "description": "the parameter or field at fault, where it is one"},
            "request_id": {"type": "string", "description": "of the request: under it the log says more"},
        },
        "required": ["code", "message", "request_id"],
        "additionalProperties": False,
    },
    "ErrorCode": {
        "type": "string",
        "description": "what went wrong, for programs:\n"
        + "\n".join(f"- `{code}` ({code.status}): {code.meaning}" for code in ErrorCode),
        "enum": [code.value for code in ErrorCode],
    },
}
"""JSON Schemas of errors, by the name that `describe` refers to."""


def describe(*codes: ErrorCode) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI description of the errors of a route: these codes, and those of every route."""
    by_status: dict[int, list[ErrorCode]] = {}
    for code in sorted({*codes, *EVERYWHERE}, key=list(ErrorCode).index):
        by_status.setdefault(code.status, []).append(code)
    reference = {"schema": {"$ref": "#/components/schemas/Error"}}
    return {
        status: {
            "description": "; ".join(f"`{code}`: {code.meaning}" for code in found),
            "content": {"application/json": reference},
            "headers": _HEADERS.get(status, {}),
            "x-error-codes": [code.value for code in found],
        }
        for status, found in by_status.items()
    }
