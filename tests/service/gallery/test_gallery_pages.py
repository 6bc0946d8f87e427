"""The page at /gallery and its files over HTTP: what they are sent with, and how they are switched off."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
from fake_samplers import FakeSampler
from live_server import Client, LiveServer
from packages import ROOT

from service.gallery.pages import static_files

STATIC = ROOT / "service" / "gallery" / "static"
SCRIPTS = sorted(STATIC.glob("*.js"))
IMPORT = re.compile(r"""(?:from|import) "(.*?)";|import\("(.*?)"\)""")

Serve = Callable[..., Client]


def test_page_and_files_are_served_under_a_strict_policy(server: LiveServer) -> None:
    assert {"index.html", "main.js", "gallery.css"} <= set(static_files())
    for name in ["", *(f"/{name}" for name in static_files())]:
        reply = server.request(f"/gallery{name}", "GET")
        assert reply.status == 200, name
        policy = reply.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; ")
        assert "unsafe" not in policy
        assert not re.search(r"https?:|\*|data:", policy)
        assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert server.request("/gallery", "GET").headers["Content-Type"] == "text/html; charset=utf-8"
    assert server.request("/gallery/main.js", "GET").headers["Content-Type"].startswith("text/javascript")


def test_a_file_that_the_browser_has_is_not_sent_again(server: LiveServer) -> None:
    first = server.request("/gallery/main.js", "GET")
    again = server.request("/gallery/main.js", "GET", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status, again.body) == (304, b"")
    other = server.request("/gallery/main.js", "GET", headers={"If-None-Match": '"other"'})
    assert (other.status, other.body) == (200, first.body)


@pytest.mark.parametrize("path", ["/gallery/nothing.js", "/gallery/..%2fpages.py", "/gallery/__init__.py"])
def test_nothing_else_is_served(server: LiveServer, path: str) -> None:
    reply = server.request(path, "GET")
    assert (reply.status, reply.error["code"]) == (404, "not_found")


def test_the_page_is_described_and_listed(server: LiveServer) -> None:
    described = json.loads(server.request("/docs.json", "GET").body)
    page = described["paths"]["/gallery"]["get"]
    assert "Content-Security-Policy" in page["responses"]["200"]["headers"]
    assert b'<a href="/gallery">' in server.request("/", "GET").body


def test_an_operator_can_switch_it_off(serve_sampler: Serve) -> None:
    client = serve_sampler(FakeSampler(), gallery=False)
    for path in ("/gallery", "/gallery/main.js"):
        reply = client.request(path, "GET")
        assert (reply.status, reply.error["code"]) == (404, "not_found")
    assert "/gallery" not in json.loads(client.request("/docs.json", "GET").body)["paths"]
    assert b"gallery" not in client.request("/", "GET").body
    assert client.request("/models", "GET").status == 200


def test_what_the_page_loads_at_once_is_what_its_script_imports() -> None:
    """Else the browser finds out about a module only when it has read another one."""
    page = (STATIC / "index.html").read_text()
    preloaded = set(re.findall(r'rel="modulepreload" href="gallery/(.*?)"', page))
    found, waiting = set(), ["main.js"]
    while waiting:
        for name in re.findall(r'^import .* from "\./(.*?)";$', (STATIC / waiting.pop()).read_text(), re.M):
            if name not in found:
                found.add(name)
                waiting.append(name)
    assert preloaded == found
    assert 'src="gallery/main.js"' in page


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_import_only_each_other_and_make_no_html(script: object) -> None:
    source = script.read_text()  # type: ignore[attr-defined]
    names = [first or second for first, second in IMPORT.findall(source)]
    assert all(name.removeprefix("./") in static_files() for name in names)
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b", source)


@pytest.mark.parametrize("name", static_files())
def test_no_file_names_another_host(name: str) -> None:
    addresses = re.findall(r"https?://[^\s\"'`)]+", (STATIC / name).read_text())
    assert set(addresses) <= {"http://www.w3.org/2000/svg"}  # a name, which nothing is loaded from
