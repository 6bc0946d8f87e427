"""The process of a service: what it opens, how it stops, and what its pages load."""

from __future__ import annotations

import http.client
import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from entrances import TCP, entrances, takes_a_connection
from key_tools import make_key
from live_server import (
    PATIENCE_SECONDS,
    ROOT,
    Client,
    LiveServer,
    bentoml_command,
    environment,
    free_port,
    serve_command,
    wait_for,
)
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from service.http_service import Service


def run_to_its_end(
    home: Path, port: int, command: Callable[[int], list[str]] = serve_command, **settings: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(port),
        cwd=ROOT,
        env=environment(home, **settings),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


def patient_command(port: int) -> list[str]:
    return [*serve_command(port), "--grace-seconds", str(PATIENCE_SECONDS)]


@pytest.fixture
def start(tiny_checkpoint: Path, tmp_path: Path) -> Iterator[Callable[..., LiveServer]]:
    """Yield a function that starts a service of its own, by any command."""
    started = []

    def start(command: Callable[[int], list[str]]) -> LiveServer:
        home = tmp_path / "home"
        home.mkdir()
        started.append(LiveServer(home, command, checkpoint_dir=str(tiny_checkpoint.parent)))
        return started[-1]

    yield start
    for server in started:
        server.stop()


def test_a_service_listens_on_one_port_and_on_nothing_else(server: LiveServer) -> None:
    assert len(server.processes()) == 1
    assert entrances(server.processes()) == [(TCP, ("127.0.0.1", server.port))]


def test_bentoml_serve_serves_the_same_and_takes_connections_elsewhere_too(
    start: Callable[..., LiveServer], server: LiveServer
) -> None:
    by_bentoml = start(bentoml_command)
    assert by_bentoml.generate("n=3&seed=7").body == server.generate("n=3&seed=7").body
    assert by_bentoml.request("/", "GET").body == server.request("/", "GET").body
    missing = set(server.metrics()) - set(by_bentoml.metrics())
    assert not [name for name in missing if ":" not in name]  # an outcome that did not come yet
    assert "request_id" in json.loads(by_bentoml.log().splitlines()[-1])
    open_ones = {each for each in entrances(by_bentoml.processes()) if takes_a_connection(each)}
    assert len(open_ones) > 1  # docs/operator.md says so


def test_a_service_in_one_process_leaves_no_files(start: Callable[..., LiveServer], tmp_path: Path) -> None:
    before = set(tmp_path.rglob("*"))
    server = start(serve_command)
    server.generate("n=1")
    [process] = server.processes()
    assert not [opened.path for opened in process.open_files() if opened.path.endswith(".db")]
    process.kill()
    wait_for(lambda: not server.runs(), "the service to be dead")
    assert not [path for path in set(tmp_path.rglob("*")) - before if "metrics" in path.name]


def test_open_streams_end_complete_when_the_service_stops(start: Callable[..., LiveServer]) -> None:
    server = start(patient_command)
    with server.open_stream("n=200&format=npy") as stream:
        [process] = server.processes()
        process.terminate()
        wait_for(lambda: entrances(server.processes()) == [], "the port to be closed")
        received = 16 + sum(iter(lambda: len(stream.recv(1 << 20)), 0))
    assert received > 200 * 128 * 128
    assert server.terminate() == 0


def test_a_stream_that_takes_longer_than_the_grace_is_cut(start: Callable[..., LiveServer]) -> None:
    server = start(serve_command)
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_SECONDS)
    connection.request("POST", "/generate?n=100000&format=tar")
    response = connection.getresponse()
    assert server.terminate() == 0
    with pytest.raises(http.client.IncompleteRead):
        response.read()
    connection.close()
    lines = [json.loads(line) for line in server.log().splitlines()]
    assert not [line for line in lines if line["level"] == "error"]
    assert "the service stops: requests that are still open are cut (1)" in [
        line["message"] for line in lines
    ]
    [line] = [line for line in lines if line["message"] == "POST /generate 200 aborted"]
    assert (line["level"], line["code"]) == ("info", "service_stopped")


def test_a_signal_that_comes_while_the_service_loads(
    tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    variables = environment(tmp_path / "home", checkpoint_dir=str(tiny_checkpoint.parent))
    process = subprocess.Popen(
        serve_command(free_port()), cwd=ROOT, env=variables, stderr=subprocess.PIPE, text=True
    )
    wait_for(lambda: "libtorch" in Path(f"/proc/{process.pid}/maps").read_text(), "torch")
    process.terminate()
    _, said = process.communicate(timeout=PATIENCE_SECONDS)
    assert (process.returncode, said) == (0, "")


def test_a_port_in_use_is_one_line(server: LiveServer, tmp_path: Path) -> None:
    ended = run_to_its_end(tmp_path, server.port)
    assert ended.returncode == 1
    problem = f"cannot listen on port {server.port} of 127.0.0.1: Address already in use"
    assert ended.stderr == f"Error: {problem}\n"
    assert ended.stdout == ""


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_images": "0"}, r"ENDOTWIN_MAX_IMAGES: .* got '0'"),
        ({"max_image": "1"}, r"unknown setting ENDOTWIN_MAX_IMAGE; .*"),
        ({"checkpoint_dir": "/dev/null/none"}, r"ENDOTWIN_CHECKPOINT_DIR: .*/dev/null/none.*"),
        ({"keys_file": "keys.json"}, r"ENDOTWIN_KEYS_FILE: must be an absolute path, .*"),
        ({"keys_file": "/nowhere/keys.json"}, r"ENDOTWIN_KEYS_FILE: .*: No such file .*key create.*"),
    ],
)
def test_a_wrong_setting_is_one_line(tmp_path: Path, settings: dict[str, str], message: str) -> None:
    ended = run_to_its_end(tmp_path, free_port(), **settings)
    assert ended.returncode == 1
    assert re.fullmatch(f"Error: {message}\n", ended.stderr)
    assert ended.stdout == ""


def test_keys_that_others_can_read_are_one_line(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    make_key(file, "lab", "generate")
    file.chmod(0o644)
    ended = run_to_its_end(tmp_path / "home", free_port(), keys_file=str(file))
    assert ended.returncode == 1
    problem = f"{file} has mode 0644, so others than its owner may read or change it; chmod 600 {file}"
    assert ended.stderr == f"Error: ENDOTWIN_KEYS_FILE: {problem}\n"


def test_a_service_without_keys_warns_if_others_can_reach_it(
    start: Callable[..., LiveServer],
) -> None:
    server = start(lambda port: [*serve_command(port), "--host", "0.0.0.0"])
    assert '"level": "warning"' in server.log()
    assert "whoever reaches 0.0.0.0 may ask for everything: no keys are set" in server.log()


def test_a_service_on_loopback_logs_no_warning(server: LiveServer) -> None:
    assert "no keys are set" not in server.log()


@pytest.mark.parametrize("option", ["--port=0", "--port=65536", "--port=http", "--grace-seconds=0"])
def test_a_wrong_option_is_explained(tmp_path: Path, option: str) -> None:
    ended = run_to_its_end(tmp_path, 3000, lambda port: [*serve_command(port), option])
    assert ended.returncode == 2
    assert option.partition("=")[0] in ended.stderr.splitlines()[-1]


def test_an_empty_folder_stops_both_ways_of_serving_with_one_clear_line(tmp_path: Path) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    for command in (serve_command, bentoml_command):
        ended = run_to_its_end(tmp_path / "home", free_port(), command, checkpoint_dir=str(folder))
        assert ended.returncode != 0
        output = ended.stdout + ended.stderr
        assert f"ENDOTWIN_CHECKPOINT_DIR: no *.safetensors in {folder}" in output
        assert "Traceback" not in output


def test_a_request_without_a_first_byte_ends_after_ten_minutes() -> None:
    limits = {
        middleware.cls.__name__: list(middleware.kwargs.values())
        for middleware in Service.to_asgi().user_middleware
        if middleware.cls.__name__ in ("TimeoutMiddleware", "FirstByteLimit")
    }
    assert limits == {"TimeoutMiddleware": [1200], "FirstByteLimit": [600]}


def addresses(routes: list[BaseRoute]) -> Iterator[str]:
    """Yield the paths of all routes, and of the files that they serve."""
    for route in routes:
        if isinstance(route, Route):
            yield route.path
        elif isinstance(route, Mount) and isinstance(route.app, StaticFiles):
            folder = Path(str(route.app.directory))
            yield from (f"{route.path}/{path.relative_to(folder)}" for path in folder.rglob("*.htm*"))
        else:
            assert isinstance(route, Mount)
            yield from addresses(route.routes)


def test_no_page_loads_anything_from_elsewhere(server: LiveServer) -> None:
    paths = set(addresses(Service.to_asgi().routes))
    assert {"/", "/docs.json", "/metrics", "/models/{name}", "/generate"} <= paths
    replies = {path: server.request(path, "GET") for path in paths}
    pages = {
        path: reply.body.decode()
        for path, reply in replies.items()
        if reply.headers["Content-Type"].startswith("text/html")
    }
    assert pages.keys() == {"/", "/gallery"}  # of whose files tests/service/gallery sees the same
    assert not any("//" in page for page in pages.values())
    assert not re.search(r"<(script|img|link|iframe|style)|url\(|@import", pages["/"])
    assert replies["/"].headers["Content-Security-Policy"] == "default-src 'none'"


def test_the_page_names_every_route_and_leads_to_those_that_can_be_opened(server: LiveServer) -> None:
    page = server.request("/", "GET").body.decode()
    for path in addresses(Service.to_asgi().routes):
        assert path in ("/", "/schema.json", "/gallery/{name}") or f">{path}<" in page
    links = re.findall(r'href="([^"]*)"', page)
    assert {"/docs.json", "/models"} <= set(links)
    without_jobs = {"/jobs": 404}
    for link in links:
        assert Client(server.port).request(link, "GET").status == without_jobs.get(link, 200)
