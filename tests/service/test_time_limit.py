"""An answer that does not begin in time is an error of the common shape; one that has begun goes on."""

from __future__ import annotations

import asyncio

import pytest
from starlette.responses import StreamingResponse
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from service.time_limit import FirstByteLimit


async def slow_to_begin(scope: Scope, receive: Receive, send: Send) -> None:
    await asyncio.sleep(60)


async def slow_to_end(scope: Scope, receive: Receive, send: Send) -> None:
    async def pieces():
        yield "a"
        await asyncio.sleep(0.2)
        yield "b"

    await StreamingResponse(pieces())(scope, receive, send)


async def failing(scope: Scope, receive: Receive, send: Send) -> None:
    raise TimeoutError("another one")


def test_an_answer_that_does_not_begin_is_given_up() -> None:
    reply = TestClient(FirstByteLimit(slow_to_begin, 0.05)).get("/")
    assert reply.status_code == 504
    assert reply.json()["error"]["code"] == "timeout"


def test_an_answer_that_has_begun_is_not_limited() -> None:
    assert TestClient(FirstByteLimit(slow_to_end, 0.1)).get("/").text == "ab"


def test_another_timeout_is_no_answer() -> None:
    with pytest.raises(TimeoutError, match="another one"):
        TestClient(FirstByteLimit(failing, 60)).get("/")
