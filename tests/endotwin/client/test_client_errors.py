"""Errors of a service as exceptions, and waiting as long as it says."""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from live_server import MAX_STREAMS, LiveServer

import endotwin
from endotwin.samples.npy import npy_header


def address(server: LiveServer) -> str:
    return f"http://127.0.0.1:{server.port}"


def test_an_error_has_what_the_service_says(server: LiveServer) -> None:
    with endotwin.Client(address(server)) as client, pytest.raises(endotwin.ServiceError) as raised:
        client.images(7, 1, density=(2500, 1500))
    error = raised.value
    assert (error.status, error.code, error.field) == (400, "invalid_parameter", "density")
    assert error.message == (
        "density 2500:1500 has its ends in the wrong order: LOW:HIGH, so density 1500:2500"
    )
    assert error.request_id
    assert str(error) == f"{error.message} (400 invalid_parameter, request {error.request_id})"

    with endotwin.Client(address(server)) as client:
        with pytest.raises(endotwin.ServiceError, match="there is no model 'other'; there are tiny"):
            client.model("other")
        with pytest.raises(endotwin.ServiceError, match="there is nothing at"):
            client.model("a/b")
        with pytest.raises(endotwin.ServiceError) as raised:
            next(client.jobs())
    assert raised.value.code == "no_jobs"

    async def ask() -> None:
        async with endotwin.AsyncClient(address(server)) as asynchronous:
            await asynchronous.images(7, 1, age=500)

    with pytest.raises(endotwin.ServiceError, match="age must be a number"):
        asyncio.run(ask())


def test_models(server: LiveServer) -> None:
    with endotwin.Client(address(server)) as client:
        tiny, labelled = client.models()
        card = client.model("tiny-labelled").card
    assert (tiny.name, tiny.default, tiny.labels, tiny.population, tiny.card) == (
        "tiny",
        True,
        False,
        None,
        None,
    )
    assert labelled.labels
    assert labelled.population is not None
    assert card is not None
    assert card["name"] == "tiny-labelled"


def test_a_full_service_is_asked_again_when_it_says(server: LiveServer) -> None:
    streams = [server.open_stream("n=5000&seed=1") for _ in range(MAX_STREAMS)]
    try:
        with (
            endotwin.Client(address(server), patience=0) as hasty,
            pytest.raises(endotwin.ServiceError) as raised,
        ):
            hasty.images(7, 1)
        assert raised.value.code == "too_many_streams"
        assert raised.value.retry_after is not None
        threading.Timer(0.1, lambda: [stream.close() for stream in streams]).start()
        with endotwin.Client(address(server)) as client:
            assert client.images(7, 1).shape == (1, 128, 128)
    finally:
        for stream in streams:
            stream.close()
        server.wait_until_idle()


Answer = tuple[int, dict[str, str], bytes]


@contextmanager
def answering(answers: Iterator[Answer]) -> Iterator[str]:
    """Run a server that gives these answers, whatever it is asked; yield its address."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, headers, content = next(answers)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = answer  # noqa: N815

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def refusal(status: int, code: str, **headers: str) -> Answer:
    error = {"error": {"code": code, "message": "as asked", "request_id": "1"}}
    return status, headers, json.dumps(error).encode()


NO_MODELS: Answer = (200, {}, b'{"models": [], "max_images": 100}')


@pytest.mark.parametrize(
    "before",
    [
        [refusal(503, "not_ready", **{"Retry-After": "1"})],
        [refusal(429, "too_many_streams_of_caller", **{"Retry-After": "0"})] * 3,
        [(502, {}, b"<html>bad gateway"), (504, {}, b"")],
    ],
    ids=["not ready", "too many", "gateway"],
)
def test_it_tries_again(before: list[Answer]) -> None:
    with answering(itertools.chain(before, [NO_MODELS])) as url, endotwin.Client(url) as client:
        assert client.models() == []


@pytest.mark.parametrize(
    ("answer", "code", "message"),
    [
        (refusal(429, "quota_exhausted", **{"Retry-After": "40000"}), "quota_exhausted", "as asked"),
        (refusal(500, "internal_error"), "internal_error", "as asked"),
        (refusal(401, "unauthorized"), "unauthorized", "as asked"),
        ((404, {}, b"nothing"), None, "no answer of an Endotwin service: status 404 'nothing'"),
        ((301, {"Location": "https://x/"}, b""), None, "status 301 to https://x/"),
        ((400, {}, b'{"error": 7}'), None, "status 400"),
    ],
)
def test_it_does_not_try_again(answer: Answer, code: str | None, message: str) -> None:
    with (
        answering(itertools.chain([answer], itertools.repeat(NO_MODELS))) as url,
        endotwin.Client(url) as client,
        pytest.raises(endotwin.ServiceError) as raised,
    ):
        client.models()
    assert raised.value.code == code
    assert message in raised.value.message


def headers(**changed: str) -> dict[str, str]:
    usual = {
        "X-Endotwin-Seed": "7",
        "X-Endotwin-Start": "0",
        "X-Endotwin-Count": "1",
        "X-Endotwin-Model": "m",
        "X-Endotwin-Generator": "0" * 64,
        "X-Endotwin-Labels": "none",
        "X-Endotwin-Conditions": "none",
        "X-Endotwin-Device": "cpu",
    }
    return usual | {f"X-Endotwin-{name.title()}": value for name, value in changed.items()}


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((200, {}, b"hello"), "X-Endotwin-Seed is None in the response from index 0 on, and should be 7"),
        ((200, headers(start="8"), b""), "X-Endotwin-Start is 8"),
    ],
)
def test_something_else_is_refused(answer: Answer, message: str) -> None:
    with (
        answering(itertools.repeat(answer)) as url,
        endotwin.Client(url) as client,
        pytest.raises(endotwin.MismatchError, match=message),
    ):
        client.images(7, 1)


def test_another_model_in_the_middle_is_refused() -> None:
    """The operator has replaced the model while a stream was cut."""
    first = (200, headers(count="2"), npy_header(2) + bytes(128 * 128 + 5))
    second = (200, headers(start="1", generator="1" * 64), npy_header(1) + bytes(128 * 128))
    with (
        answering(itertools.chain([first], itertools.repeat(second))) as url,
        endotwin.Client(url) as client,
        pytest.raises(endotwin.MismatchError, match="X-Endotwin-Generator is 1111"),
    ):
        client.images(7, 2)


@pytest.mark.parametrize(
    "body", [npy_header(2) + bytes(128 * 128), b"PK" + bytes(50_000), b""], ids=["two", "zip", "empty"]
)
def test_a_body_that_cannot_be_is_no_image(body: bytes) -> None:
    with (
        answering(itertools.repeat((200, headers(), body))) as url,
        endotwin.Client(url, patience=0.2) as client,
        pytest.raises(endotwin.ConnectionFailedError, match="BrokenStreamError"),
    ):
        client.images(7, 1)
