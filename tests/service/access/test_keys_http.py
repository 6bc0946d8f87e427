"""A service with keys: who gets in, who does not, and what they are told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from key_tools import make_key
from live_server import Client, LiveServer, Reply
from starlette.routing import BaseRoute, Mount, Route

from endotwin.keys import revoke_key
from service.access.control import HEALTH, SCOPE_OF
from service.gallery.pages import is_gallery
from service.http_service import Service


@dataclass(frozen=True)
class Keyed:
    """A service with keys of every scope."""

    server: LiveServer
    file: Path
    keys: dict[str, str]

    def client(self, name: str) -> Client:
        return Client(self.server.port, self.keys[name])


@pytest.fixture(scope="module")
def keyed(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keyed]:
    home = tmp_path_factory.mktemp("keyed")
    file = home / "keys.json"
    scopes = {"operator": "admin", "lab": "generate", "writer": "jobs", "scraper": "metrics"}
    keys = {name: make_key(file, name, scope) for name, scope in scopes.items()}
    server = LiveServer(
        home,
        key=keys["operator"],
        checkpoint_dir=str(tiny_checkpoint.parent),
        keys_file=str(file),
        jobs_store=str(home / "jobs.sqlite"),
    )
    yield Keyed(server, file, keys)
    server.stop()


def routes(of: list[BaseRoute]) -> Iterator[tuple[str, str]]:
    """Yield method and path of every route of the service."""
    for route in of:
        if isinstance(route, Mount):
            yield from routes(route.routes)
        else:
            assert isinstance(route, Route)
            yield from ((method, route.path) for method in route.methods or ("GET",))


ROUTES = sorted(
    (method, path) for method, path in set(routes(Service.to_asgi().routes)) if not is_gallery(path)
)
"""But those of the gallery's page: tests/service/gallery has a key typed into it."""


def test_every_route_has_its_scope() -> None:
    paths = {path for _, path in ROUTES}
    assert {"/generate", "/jobs/{id}", "/metrics", "/docs.json", "/", "/livez"} <= paths
    assert {path.split("/")[1] for path in paths - HEALTH} == SCOPE_OF.keys()


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_every_route_but_health_needs_a_key(keyed: Keyed, method: str, path: str) -> None:
    reply = Client(keyed.server.port).request(path, method)
    if path in HEALTH:
        assert reply.status == 200
        return
    assert reply.status == 401
    assert reply.headers["WWW-Authenticate"].startswith("Bearer ")
    if method != "HEAD":
        assert reply.error["code"] == "unauthorized"
        assert "Authorization: Bearer KEY" in reply.error["message"]


NEEDS = {
    ("POST", "/generate"): "lab",
    ("GET", "/jobs"): "writer",
    ("POST", "/jobs"): "writer",
    ("GET", "/jobs/x"): "writer",
    ("DELETE", "/jobs/x"): "writer",
    ("POST", "/jobs/x/resume"): "writer",
    ("GET", "/metrics"): "scraper",
}


@pytest.mark.parametrize("request_line", NEEDS, ids=" ".join)
def test_a_key_is_good_for_its_scope_and_for_no_other(keyed: Keyed, request_line: tuple[str, str]) -> None:
    method, path = request_line
    for name in keyed.keys:
        reply = keyed.client(name).request(path, method)
        if name in (NEEDS[request_line], "operator"):
            assert reply.status not in (401, 403), name
            continue
        [needed] = {"lab": ["generate"], "writer": ["jobs"], "scraper": ["metrics"]}[NEEDS[request_line]]
        assert (reply.status, reply.error["code"]) == (403, "missing_scope"), name
        assert f"the scope {needed}; that of {name} has" in reply.error["message"]
        assert f'scope="{needed}"' in reply.headers["WWW-Authenticate"]


@pytest.mark.parametrize("path", ["/", "/models", "/models/tiny", "/docs.json"])
def test_what_any_key_may_see(keyed: Keyed, path: str) -> None:
    assert all(keyed.client(name).request(path, "GET").status == 200 for name in keyed.keys)


SPELLINGS = [
    "//generate",
    "/generate/",
    "/./generate",
    "/x/../generate",
    "/%67enerate",
    "/generate%2f",
    "/generate%00",
    "/GENERATE",
    "/generate;x",
    "/livez/../generate",
    "/livez/generate",
    "//livez/../generate",
    "/livez%2f..%2fgenerate",
    "/models/../generate",
    "generate",
    "http://endotwin/generate",
    "*",
]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_no_spelling_of_a_path_gets_around_the_check(keyed: Keyed, spelling: str) -> None:
    for client in (Client(keyed.server.port), keyed.client("scraper")):
        for method in ("POST", "GET", "OPTIONS", "HEAD", "PROPFIND"):
            status = client.request(spelling, method).status
            assert status in (307, 400, 401, 403, 404, 405), (method, spelling, status)


def wrong(key: str) -> dict[str, dict[str, str]]:
    return {
        "another": {"Authorization": "Bearer endotwin_" + "A" * 43},
        "a part": {"Authorization": f"Bearer {key[:-1]}"},
        "more": {"Authorization": f"Bearer {key}A"},
        "the digest": {"Authorization": "Bearer " + "0" * 64},
        "the name": {"Authorization": "Bearer operator"},
        "no scheme": {"Authorization": key},
        "another scheme": {"Authorization": f"Basic {key}"},
        "nothing": {"Authorization": ""},
        "only a scheme": {"Authorization": "Bearer "},
        "two": {"Authorization": f"Bearer {key}, Bearer {key}"},
        "long": {"Authorization": "Bearer " + "A" * 8000},
        "bytes": {"Authorization": "Bearer \xff\xfe"},
        "another header": {"X-Api-Key": key, "Proxy-Authorization": f"Bearer {key}"},
        "a cookie": {"Cookie": f"key={key}"},
    }


@pytest.mark.parametrize("case", wrong(""))
def test_a_wrong_key(keyed: Keyed, case: str) -> None:
    reply = Client(keyed.server.port).request("/models", "GET", headers=wrong(keyed.keys["operator"])[case])
    assert (reply.status, reply.error["code"]) == (401, "unauthorized")
    assert keyed.keys["operator"][:20] not in reply.body.decode()


def test_a_key_in_the_query_is_none(keyed: Keyed) -> None:
    assert Client(keyed.server.port).request(f"/models?key={'A' * 43}", "GET").status == 401


def test_a_key_works_from_the_moment_it_is_made_until_it_is_revoked(keyed: Keyed) -> None:
    token = make_key(keyed.file, "guest", "generate")
    guest = Client(keyed.server.port, token)
    assert guest.generate("n=1").status == 200
    assert guest.request("/models", "GET", headers={"Authorization": f"bEARER  {token} "}).status == 200
    revoke_key(keyed.file, "guest")
    reply = guest.request("/generate")
    assert (reply.status, reply.error["code"]) == (401, "unauthorized")
    assert "revoked" in reply.error["message"]
    assert make_key(keyed.file, "guest", "generate") != token
    assert guest.request("/generate").status == 401
    revoke_key(keyed.file, "guest")


def test_a_file_that_cannot_be_used_lets_nobody_in_until_it_is_mended(keyed: Keyed) -> None:
    lab, content = keyed.client("lab"), keyed.file.read_bytes()

    def refused() -> Reply:
        reply = lab.request("/generate")
        assert (reply.status, reply.error["code"]) == (503, "not_ready")
        assert str(keyed.file) not in reply.body.decode()
        anybody = Client(keyed.server.port)
        assert anybody.request("/livez", "GET").status == 200
        ready = anybody.request("/readyz", "GET")
        assert (ready.status, ready.error["code"]) == (503, "not_ready")
        assert ready.error["message"] == "the operator's file of keys cannot be used; the log says why"
        return reply

    keyed.file.write_bytes(content[:-20])
    refused()
    keyed.file.write_bytes(content)
    assert Client(keyed.server.port).request("/readyz", "GET").status == 200
    assert lab.generate("n=1").status == 200
    keyed.file.chmod(0o644)
    refused()
    keyed.file.chmod(0o600)
    assert lab.generate("n=1").status == 200
    keyed.file.rename(keyed.file.with_suffix(".away"))
    refused()
    keyed.file.with_suffix(".away").rename(keyed.file)
    assert lab.generate("n=1").status == 200
    log = keyed.server.log()
    assert "is no file of keys" in log
    assert f"mode 0644, so others than its owner may read or change it; chmod 600 {keyed.file}" in log
    assert "No such file" in log


def test_no_key_is_written_anywhere(keyed: Keyed) -> None:
    guess = "endotwin_" + "guess" * 8
    for key in (*keyed.keys.values(), guess):
        client = Client(keyed.server.port, key)
        for path in ("/generate", "/jobs", "/models", "/nowhere", "/metrics", "/generate?n=0"):
            reply = client.request(path, "POST", b"{}", {"Content-Type": "application/json"})
            assert key not in reply.body.decode(errors="replace")
            assert key not in str(reply.headers)
    written = b"".join(
        path.read_bytes()
        for path in keyed.file.parent.rglob("*")
        if path.is_file() and not path.is_socket()
    )
    assert b"GET /models" in written or b"/models" in written, "the log is among them"
    for key in (*keyed.keys.values(), guess):
        assert key.removeprefix("endotwin_").encode() not in written
    metrics = keyed.server.request("/metrics", "GET").body.decode()
    assert not any(key.removeprefix("endotwin_") in metrics for key in (*keyed.keys.values(), guess))


def test_the_description_says_who_may_ask_for_what(keyed: Keyed) -> None:
    described = json.loads(keyed.client("lab").request("/docs.json", "GET").body)
    assert described["components"]["securitySchemes"] == {"key": {"type": "http", "scheme": "bearer"}}
    for path, operations in described["paths"].items():
        for operation in operations.values():
            refusals = {status for status in ("401", "403") if status in operation["responses"]}
            if path in HEALTH or is_gallery(path):
                assert "security" not in operation
                assert not refusals
            else:
                assert operation["security"] == [{"key": []}]
                assert refusals == ({"401", "403"} if SCOPE_OF[path.split("/")[1]] else {"401"})


def test_a_description_of_a_service_without_keys_makes_them_optional(server: LiveServer) -> None:
    described = json.loads(server.request("/docs.json", "GET").body)
    assert described["paths"]["/generate"]["post"]["security"] == [{"key": []}, {}]
