"""The log: one line for every request, with its id, and never a secret."""

from __future__ import annotations

import asyncio
import http.client
import json
import logging
import re
import secrets
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from fake_samplers import FakeSampler
from live_server import Client, LiveServer, wait_for

from endotwin.image_range import BATCH
from service import logs
from service.request_log import RequestLog
from service.request_record import current_record

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"


class Zeros(FakeSampler):
    """Black images, and an error from one block on."""

    def __init__(self, fails_at: int = 1 << 60) -> None:
        self.fails_at = fails_at

    def aligned(self, seed: int, block: int) -> np.ndarray:
        if block >= self.fails_at:
            raise RuntimeError(f"it broke with {SECRET}")
        return np.zeros((BATCH, 128, 128), np.uint8)


def lines(server: LiveServer) -> list[dict[str, Any]]:
    """Return what a server has logged so far, each line read as JSON."""
    return [json.loads(line) for line in server.log().splitlines()]


def line_of(server: LiveServer, identity: str) -> dict[str, Any]:
    """Return the line of a request, once it is there."""

    def found() -> list[dict[str, Any]]:
        return [line for line in lines(server) if line.get("request_id") == identity]

    wait_for(lambda: bool(found()), "the line of the request")
    [line] = found()
    return line


@pytest.fixture
def written(caplog: pytest.LogCaptureFixture) -> Callable[[str], dict[str, Any]]:
    """Return a function that reads the line of a request to a server within this process."""
    caplog.set_level(logging.DEBUG, "endotwin.requests")

    def find(identity: str) -> dict[str, Any]:
        def found() -> list[dict[str, Any]]:
            records = [record for record in list(caplog.records) if record.name == "endotwin.requests"]
            read = [json.loads(logs.JsonLine().format(record)) for record in records]
            return [line for line in read if line["request_id"] == identity]

        wait_for(lambda: bool(found()), "the line of the request")
        [line] = found()
        return line

    return find


def test_a_stream_leaves_a_line_that_says_what_was_made_and_how_long_it_took(server: LiveServer) -> None:
    query = "n=40&seed=18446744073709551615&start=8&labels=borders,cells&density=1500:2500"
    reply = server.request(f"/generate?{query}", headers={"X-Request-Id": "stream-1"})
    line = line_of(server, "stream-1")
    assert line["message"] == "POST /generate 200 complete"
    assert (line["level"], line["client"], line["path"]) == ("info", "127.0.0.1", "/generate")
    assert (line["outcome"], line["status"]) == ("complete", 200)
    assert line["seed"] == "18446744073709551615"
    assert (line["model"], line["start"], line["n"], line["format"]) == (
        reply.headers["X-Endotwin-Model"],
        8,
        40,
        "tar",
    )
    assert (line["labels"], line["conditions"]) == ("borders,cells", "density=1500:2500")
    assert (line["images"], line["bytes"]) == (40, len(reply.body))
    assert 0 < line["first_byte_ms"] < line["total_ms"]
    assert 0 < line["device_ms"] < line["total_ms"]
    assert line["encoding_ms"] > 0
    assert line["queue_ms"] >= 0
    assert line["sending_ms"] >= 0
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])


def test_a_seed_that_was_drawn_is_in_the_line(server: LiveServer) -> None:
    reply = server.generate("n=1")
    assert line_of(server, reply.headers["X-Request-Id"])["seed"] == reply.headers["X-Endotwin-Seed"]


def test_a_client_that_leaves_leaves_a_line(server: LiveServer) -> None:
    server.open_stream("n=2000&seed=4711").close()

    def aborted() -> list[dict[str, Any]]:
        return [line for line in lines(server) if line.get("seed") == "4711"]

    wait_for(lambda: bool(aborted()), "the line of the stream")
    [line] = aborted()
    assert (line["outcome"], line["status"], line["n"]) == ("aborted", 200, 2000)
    assert 16 <= line["images"] < 2000


def test_a_client_that_takes_nothing_leaves_a_line(
    serve_sampler: Callable[..., Client], written: Callable[[str], dict[str, Any]]
) -> None:
    client = serve_sampler(Zeros(), stall_seconds=0.5)
    with client.open_stream("n=2000&format=npy", "X-Request-Id: slow\r\n"):
        line = written("slow")
    assert line["outcome"] == "aborted"
    assert line["sending_ms"] >= 400


@pytest.mark.parametrize(
    ("target", "method", "status", "code"),
    [
        ("/generate?n=0", "POST", 400, "invalid_parameter"),
        ("/generate", "GET", 405, "method_not_allowed"),
        ("/models/none", "GET", 404, "unknown_model"),
        ("/nothing", "GET", 404, "not_found"),
        ("/readyz", "POST", 405, "method_not_allowed"),
        ("/metrics", "PUT", 405, "method_not_allowed"),
        ("/schema.json", "GET", 404, "not_found"),
    ],
)
def test_a_refused_request_has_an_id_in_header_body_and_log(
    server: LiveServer, target: str, method: str, status: int, code: str
) -> None:
    reply = server.request(target, method)
    assert reply.status == status
    identity = reply.error["request_id"]  # which is that of the header
    assert re.fullmatch(r"[0-9a-f]{32}", identity)
    line = line_of(server, identity)
    assert (line["outcome"], line["code"], line["status"]) == ("refused", code, status)


@pytest.mark.parametrize(
    "path", ["/", "/livez", "/healthz", "/readyz", "/metrics", "/docs.json", "/models"]
)
def test_every_response_has_an_id(server: LiveServer, path: str) -> None:
    given = server.request(path, "GET", headers={"X-Request-Id": "Root=1-67891233:a/b+c.d_e~f@g"})
    assert given.headers["X-Request-Id"] == "Root=1-67891233:a/b+c.d_e~f@g"
    made = {server.request(path, "GET").headers["X-Request-Id"] for _ in range(2)}
    assert len(made) == 2


@pytest.mark.parametrize(
    "sent", ["", "a b", "a\tb", "a\x1b[31m", '{"a": 1}', "\xff", "a" * 129, "a;b", "a,b"]
)
def test_an_id_that_is_not_sane_is_replaced(server: LiveServer, sent: str) -> None:
    request = f"GET /models HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Request-Id: {sent}\r\n\r\n"
    answer = server.exchange(request.encode("latin-1"))
    head = answer.partition(b"\r\n\r\n")[0].decode().lower()
    if head.startswith("http/1.1 200"):
        assert re.search(r"\r\nx-request-id: [0-9a-f]{32}(\r|$)", head)
    else:
        assert head.startswith("http/1.1 400")  # the server takes no control characters


def test_probes_and_scrapes_leave_no_line(server: LiveServer) -> None:
    for path in ("/livez", "/healthz", "/readyz", "/metrics"):
        server.request(path, "GET", headers={"X-Request-Id": "probe"})
    server.request("/models", "GET", headers={"X-Request-Id": "after"})
    line_of(server, "after")
    assert "probe" not in {line.get("request_id") for line in lines(server)}


def test_all_lines_of_a_service_are_json_from_the_first_on(server: LiveServer) -> None:
    server.exchange(b"no HTTP\x1b\r\n\r\n")
    wait_for(lambda: "uvicorn.error" in {line["logger"] for line in lines(server)}, "the server's line")
    assert all({"time", "level", "logger", "message"} <= set(line) for line in lines(server))
    assert any(line["message"].startswith("listening on") for line in lines(server))


def test_the_first_line_comes_before_anything_is_loaded(server: LiveServer) -> None:
    first, second = lines(server)[:2]
    assert re.match(
        r"loading \d checkpoints? from .*; the first start on a machine also compiles", first["message"]
    )
    assert second["message"].startswith("model ")


def test_an_error_of_the_service_is_one_line_with_its_traceback(
    serve_sampler: Callable[..., Client],
    written: Callable[[str], dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    client = serve_sampler(Zeros(fails_at=1))
    with pytest.raises(http.client.IncompleteRead):
        client.request("/generate?n=100&format=npy", headers={"X-Request-Id": "late"})
    line = written("late")
    assert (line["level"], line["outcome"], line["status"], line["images"]) == ("error", "failed", 200, 16)
    assert "RuntimeError: it broke with …" in line["traceback"]
    reply = client.request("/generate?start=100", headers={"X-Request-Id": "early"})
    assert reply.error["code"] == "internal_error"
    line = written("early")
    assert (line["level"], line["outcome"], line["status"]) == ("error", "failed", 500)
    assert line["traceback"].startswith("Traceback")
    assert SECRET not in json.dumps(line)


def test_no_query_header_or_body_gets_into_the_log(server: LiveServer) -> None:
    server.request(
        f"/generate?key={SECRET}",
        body=SECRET.encode(),
        headers={
            "Authorization": f"Bearer {SECRET}",
            "Cookie": SECRET,
            "User-Agent": SECRET,
            "X-Request-Id": "s",
        },
    )
    line_of(server, "s")
    assert SECRET not in server.log()


def test_a_key_in_the_wrong_place_does_not_get_into_the_log(server: LiveServer) -> None:
    token = f"endotwin_{secrets.token_urlsafe(32)}"
    server.request(f"/models/{token}", "GET", headers={"X-Request-Id": token})
    server.request("/models", "GET", headers={"X-Request-Id": "behind-the-key"})
    line_of(server, "behind-the-key")
    assert token not in server.log()
    assert "/models/endotwin_…" in {line.get("path") for line in lines(server)}


def run(app: Any, scope: dict[str, Any]) -> list[dict[str, Any]]:
    """Send one request through `RequestLog`; return the messages that came back."""
    sent = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    whole = {
        "type": "http",
        "method": "GET",
        "path": "/a",
        "headers": [],
        "client": ("10.0.0.7", 1),
        **scope,
    }
    asyncio.run(RequestLog(app)(whole, receive, send))
    return sent


def test_the_line_names_the_key_and_other_lines_of_the_request_its_id(
    written: Callable[[str], dict[str, Any]],
) -> None:
    other = logging.LogRecord("any", logging.INFO, __file__, 1, "meanwhile", (), None)
    meanwhile = []

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        current_record().note(key="lab")
        meanwhile.append(json.loads(logs.JsonLine().format(other)))
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    sent = run(answer, {"headers": [(b"x-request-id", b"k")]})
    assert (b"x-request-id", b"k") in sent[0]["headers"]
    assert (written("k")["key"], written("k")["client"]) == ("lab", "10.0.0.7")
    assert [line["request_id"] for line in meanwhile] == ["k"]
    assert "request_id" not in json.loads(logs.JsonLine().format(other))


def test_an_error_that_nothing_below_has_answered_is_answered(
    written: Callable[[str], dict[str, Any]],
) -> None:
    async def fail(scope: Any, receive: Any, send: Any) -> None:
        raise RuntimeError("a detail")

    start, body = run(fail, {"headers": [(b"x-request-id", b"f")]})
    assert start["status"] == 500
    assert json.loads(body["body"])["error"]["request_id"] == "f"
    assert b"a detail" not in body["body"]
    assert "a detail" in written("f")["traceback"]


def test_warnings_and_threads_that_end_are_lines_of_the_same_form() -> None:
    program = """
import threading, warnings
from service.logs import configure_logs
configure_logs("json")
warnings.warn("old")
thread = threading.Thread(target=lambda: 1 / 0, name="encoder 3")
thread.start()
thread.join()
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    warning, error = (json.loads(line) for line in ran.stdout.splitlines())
    assert (warning["logger"], warning["level"]) == ("py.warnings", "warning")
    assert (error["message"], error["level"]) == ("thread encoder 3 has ended", "error")
    assert error["traceback"].endswith("ZeroDivisionError: division by zero")
    assert ran.stderr == ""


def test_text_for_a_terminal_is_one_line_with_the_fields_behind(capsys: pytest.CaptureFixture[str]) -> None:
    record = logging.LogRecord("endotwin.requests", logging.INFO, __file__, 1, "GET %s", ("/a",), None)
    record.fields = {"path": '/a "b"\n', "n": 3, "empty": ""}
    text = logs.TextLine().format(record)
    assert re.fullmatch(r'\S+Z INFO    GET /a  path="/a \\"b\\"\\\\n" n=3 empty=""', text)
