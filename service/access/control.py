"""The check of every request, before any route sees it."""

from __future__ import annotations

from starlette.datastructures import Headers, State
from starlette.types import ASGIApp, Receive, Scope, Send

from endotwin.keys import KeysError
from service.access.caller import Caller, set_caller
from service.access.keyring import Keyring
from service.error_codes import ErrorCode
from service.errors import ApiError
from service.gallery.pages import is_gallery
from service.request_record import current_record

HEALTH = frozenset({"/healthz", "/livez", "/readyz"})
"""Paths of probes, which need no key."""

SCOPE_OF = {
    "": None,
    "admin": "admin",
    "docs.json": None,
    "generate": "generate",
    "jobs": "jobs",
    "metrics": "metrics",
    "models": None,
    "schema.json": None,
}
"""The scope that a route needs, by the first part of its path; None: any key will do."""

_NO_ADDRESS = "unix socket"


def needs_key(path: str) -> bool:
    """Return whether a path needs a key where there are keys. The gallery's page asks for one itself."""
    return path not in HEALTH and not is_gallery(path)


def scope_of(path: str) -> str | None:
    """Return the scope that a path needs beside a key."""
    return SCOPE_OF.get(path.removeprefix("/").partition("/")[0])


def errors_of(path: str) -> tuple[ErrorCode, ...]:
    """Return the codes of those who may not ask for a path."""
    if not needs_key(path):
        return ()
    return (ErrorCode.UNAUTHORIZED, ErrorCode.MISSING_SCOPE)[: 1 if scope_of(path) is None else 2]


class AccessControl:
    """ASGI middleware that finds out who sends a request, and refuses those who may not."""

    def __init__(self, app: ASGIApp, state: State) -> None:
        """Wrap an application.

        Args:
            app: the application.
            state: has the `service.runtime.Runtime` as `runtime`, once there is one.
        """
        self.app = app
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on with its caller, or answer it with an error."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        try:
            set_caller(scope, self._identify(scope))
        except ApiError as error:
            await error.response()(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def _identify(self, scope: Scope) -> Caller:
        """Return who sends a request.

        Raises:
            ApiError: 401 or 403, they may not; 503, nobody may at the moment.
        """
        client = scope.get("client")
        address = client[0] if client else _NO_ADDRESS
        if not needs_key(scope["path"]):
            return Caller(address, frozenset())
        runtime = getattr(self._state, "runtime", None)
        if runtime is None:
            raise ApiError(ErrorCode.NOT_READY, "the service has not loaded its models yet")
        if runtime.keyring is None:
            return Caller(address)
        caller = _find(runtime.keyring, Headers(scope=scope).getlist("authorization"))
        current_record().note(key=caller.name)
        needed = scope_of(scope["path"])
        if needed is not None and not caller.has(needed):
            raise _forbidden(caller, needed)
        return caller


def _find(keyring: Keyring, authorizations: list[str]) -> Caller:
    """Return the caller of the one Authorization header; no message holds what it says."""
    if not authorizations:
        raise _unauthorized("this service asks for a key: Authorization: Bearer KEY", "")
    scheme, _, token = authorizations[0].partition(" ")
    if len(authorizations) > 1 or scheme.lower() != "bearer" or not token:
        raise _unauthorized("the key has to come as Authorization: Bearer KEY, once", "")
    try:
        key = keyring.find(token.strip())
    except KeysError as error:
        raise ApiError(ErrorCode.NOT_READY, str(error)) from error
    if key is None:
        raise _unauthorized("this is no key of this service, or it was revoked", ', error="invalid_token"')
    return Caller.of(key)


def _unauthorized(message: str, detail: str) -> ApiError:
    headers = {"WWW-Authenticate": f'Bearer realm="endotwin"{detail}'}
    return ApiError(ErrorCode.UNAUTHORIZED, message, headers=headers)


def _forbidden(caller: Caller, needed: str) -> ApiError:
    detail = f'Bearer realm="endotwin", error="insufficient_scope", scope="{needed}"'
    return ApiError(
        ErrorCode.MISSING_SCOPE,
        f"this needs a key with the scope {needed}; that of {caller.name} has "
        f"{', '.join(sorted(caller.scopes))}",
        headers={"WWW-Authenticate": detail},
    )
