"""Who sends a request, as the routes see it."""

from __future__ import annotations

from types import SimpleNamespace

from fastapi import FastAPI, Request
from starlette.testclient import TestClient

from endotwin.keys import SCOPES
from service.access.caller import Caller, caller_of
from service.access.control import AccessControl


def test_without_keys_a_caller_is_an_address_that_may_do_everything() -> None:
    app = FastAPI()
    seen = []

    @app.get("/")
    async def show(request: Request) -> None:
        seen.append(caller_of(request))

    app.state.runtime = SimpleNamespace(keyring=None)
    TestClient(AccessControl(app, app.state), client=("10.0.0.7", 1)).get("/")
    assert seen == [Caller("10.0.0.7")]
    assert all(seen[0].has(scope) for scope in SCOPES)


def test_a_scope_stands_for_itself_and_admin_for_all() -> None:
    assert [scope for scope in SCOPES if Caller("a", frozenset({"jobs"})).has(scope)] == ["jobs"]
    assert all(Caller("a", frozenset({"admin"})).has(scope) for scope in SCOPES)
