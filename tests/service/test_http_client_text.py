"""What a client writes into paths and headers gets neither into a redirect nor into the log as it is."""

from __future__ import annotations

import json
import logging
import sys

import pytest
from live_server import LiveServer, wait_for

from service.logs import JsonLine, TextLine


@pytest.mark.parametrize(
    ("target", "location"),
    [
        ("GET /models/", "/models"),
        ("GET /models/tiny/?a=b", "/models/tiny?a=b"),
        ("POST /generate/?n=3", "/generate?n=3"),
        ("GET /readyz/", "/readyz"),
        ("GET /metrics/", "/metrics"),
    ],
)
@pytest.mark.parametrize("host", ["elsewhere.example", "elsewhere.example:80", "a@b", "["])
def test_a_redirect_names_no_host(server: LiveServer, target: str, location: str, host: str) -> None:
    request = f"{target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    head = server.exchange(request.encode()).partition(b"\r\n\r\n")[0].decode()
    assert head.startswith("HTTP/1.1 307")
    assert f"\r\nlocation: {location}\r\n" in f"{head}\r\n"


@pytest.mark.parametrize(
    "path", ["//elsewhere.example/models/", "//models/", "/\\elsewhere.example/models/"]
)
def test_no_path_is_a_redirect_to_elsewhere(server: LiveServer, path: str) -> None:
    answer = server.exchange(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 404")


def test_what_does_not_show_is_escaped_in_the_log(server: LiveServer) -> None:
    marker = "forged-line"
    reply = server.request(f"/{marker}%0a%0d%1b%5b31m%00%7f%c2%9b%e2%80%a8%e2%80%ae", "GET")
    assert reply.status == 404
    assert reply.error["message"].isprintable()
    wait_for(lambda: marker in server.log(), "the log")
    log = server.log()
    [line] = [line for line in log.split("\n") if marker in line]
    assert json.loads(line)["path"] == f"/{marker}\n\r\x1b[31m\x00\x7f\x9b\u2028\u202e"
    assert all(line.isprintable() for line in log.split("\n"))


def test_headers_that_are_no_text_are_no_failure(server: LiveServer) -> None:
    fields = [b"Content-Type", b"User-Agent", b"Accept", b"Origin", b"X-Request-Id", b"traceparent"]
    for field in fields:
        request = (
            b"GET /models HTTP/1.1\r\nHost: \xff\r\nConnection: close\r\n" + field + b": \xff\x80\r\n\r\n"
        )
        answer = server.exchange(request)
        assert answer.startswith(b"HTTP/1.1 200"), field
        assert answer.endswith(b"}"), field
    assert "UnicodeDecodeError" not in server.log()


def test_an_error_is_one_record_too() -> None:
    try:
        raise ValueError("a\x1bb")
    except ValueError:
        record = logging.LogRecord("any", logging.ERROR, __file__, 1, "%s", ("c\nd",), sys.exc_info())
    record.fields = {"path": "/e\x1b\x7ff"}
    text = TextLine().format(record)
    assert "c\\nd" in text
    assert "path=/e\\x1b\\x7ff\n    Traceback" in text
    assert text.endswith("ValueError: a\\x1bb")
    assert all(line.isprintable() for line in text.split("\n"))
    line = JsonLine().format(record)
    assert line.isprintable()
    read = json.loads(line)
    assert (read["message"], read["path"], read["level"]) == ("c\nd", "/e\x1b\x7ff", "error")
    assert read["traceback"].endswith("ValueError: a\x1bb")
