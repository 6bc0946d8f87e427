"""Browsers of other origins, and addresses that a proxy names: only what the operator sets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from key_tools import make_key
from live_server import Client, LiveServer
from waiting import wait_for

from endotwin.settings import SettingsError, load_settings

ORIGIN = "https://lab.example"
PREFLIGHT = {
    "Origin": ORIGIN,
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization, content-type, idempotency-key",
}


@pytest.fixture(scope="module")
def open_server(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """Yield a service with keys, for pages of one origin and behind a proxy on this machine."""
    home = tmp_path_factory.mktemp("open")
    key = make_key(home / "keys.json", "operator", "admin")
    server = LiveServer(
        home,
        key=key,
        checkpoint_dir=str(tiny_checkpoint.parent),
        keys_file=str(home / "keys.json"),
        cors_origins=f"{ORIGIN}, http://localhost:8080",
        trusted_proxies="127.0.0.1, 10.0.0.0/8",
    )
    yield server
    server.stop()


def cross_origin(headers: object) -> list[str]:
    return [line for line in str(headers).splitlines() if line.lower().startswith("access-control-")]


def test_a_page_of_an_origin_that_is_named_may_ask(open_server: LiveServer) -> None:
    browser = Client(open_server.port)  # which sends no key with this
    reply = browser.request("/jobs", "OPTIONS", headers=PREFLIGHT)
    assert reply.status == 200
    assert reply.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "POST" in reply.headers["Access-Control-Allow-Methods"]
    allowed = reply.headers["Access-Control-Allow-Headers"].lower()
    assert all(name in allowed for name in ("authorization", "content-type", "idempotency-key"))
    assert "Access-Control-Allow-Credentials" not in reply.headers
    answer = open_server.request("/generate?n=1", headers={"Origin": ORIGIN})
    assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (200, ORIGIN)
    refused = browser.request("/models", "GET", headers={"Origin": ORIGIN})
    assert (refused.status, refused.headers["Access-Control-Allow-Origin"]) == (401, ORIGIN)
    assert refused.error["code"] == "unauthorized"


@pytest.mark.parametrize(
    "origin", ["https://lab.example.org", "http://lab.example", "null", "https://evil"]
)
def test_a_page_of_another_origin_may_not(open_server: LiveServer, origin: str) -> None:
    reply = Client(open_server.port).request("/jobs", "OPTIONS", headers={**PREFLIGHT, "Origin": origin})
    assert reply.status == 400
    assert "Access-Control-Allow-Origin" not in reply.headers
    answer = open_server.request("/models", "GET", headers={"Origin": origin})
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_without_the_setting_nothing_is_said(server: LiveServer) -> None:
    reply = server.request("/jobs", "OPTIONS", headers=PREFLIGHT)
    assert (reply.status, cross_origin(reply.headers)) == (405, [])
    assert cross_origin(server.request("/models", "GET", headers={"Origin": ORIGIN}).headers) == []


def test_only_a_trusted_proxy_names_the_client(open_server: LiveServer, server: LiveServer) -> None:
    for one in (open_server, server):
        one.request("/models", "GET", headers={"X-Forwarded-For": "203.0.113.9, 10.1.2.3"})
        one.request("/models", "GET", headers={"X-Forwarded-For": "198.51.100.1, 203.0.113.8"})
    for address in ("203.0.113.9", "203.0.113.8"):  # the line is written after the answer
        wait_for(lambda address=address: address in open_server.log(), f"the line of {address}")
    log = open_server.log()
    assert "198.51.100.1" not in log, "what the client says itself"
    assert "203.0.113" not in server.log()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CORS_ORIGINS", "*"),
        ("CORS_ORIGINS", "lab.example"),
        ("CORS_ORIGINS", "https://lab.example/"),
        ("TRUSTED_PROXIES", "proxy.example"),
        ("TRUSTED_PROXIES", "10.0.0.1/8"),
        ("TRUSTED_PROXIES", "*,127.0.0.1"),
    ],
)
def test_a_wrong_setting(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"ENDOTWIN_{name}", value)
    with pytest.raises(SettingsError, match=f"ENDOTWIN_{name}: "):
        load_settings()
