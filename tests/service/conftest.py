"""Servers for the tests over HTTP: a real one for the whole session, and ones within this process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import uvicorn
from live_server import MAX_STREAMS, Client, LiveServer, free_port, wait_for
from set_tools import without_aws_configuration
from swift_server import ACCESS_KEY, SECRET_KEY, Swift, missing, running_swift

from service.app import create_app
from service.device import DeviceThread
from service.models import BatchSource, Model, Models
from service.runtime import Runtime
from service.settings import Settings
from training.checkpoint import load_checkpoint


@pytest.fixture(scope="session")
def server(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """Yield a running service that offers the tiny checkpoint to `MAX_STREAMS` streams."""
    folder = str(tiny_checkpoint.parent)
    home = tmp_path_factory.mktemp("home")
    live = LiveServer(home, checkpoint_dir=folder, max_streams=str(MAX_STREAMS), max_images="5000")
    yield live
    live.stop()


@pytest.fixture(scope="session")
def labelled_server(
    labelled_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveServer]:
    """Yield a running service that offers `tiny-labelled` beside `tiny`, its default."""
    folder = str(labelled_checkpoint.parent)
    live = LiveServer(tmp_path_factory.mktemp("home"), checkpoint_dir=folder, default_model="tiny")
    yield live
    live.stop()


@contextmanager
def _serve_here(runtime: Runtime) -> Iterator[Client]:
    app = create_app()
    app.state.runtime = runtime
    port = free_port()
    web = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="critical"))
    thread = threading.Thread(target=web.run)
    thread.start()
    wait_for(lambda: web.started, "uvicorn to start")
    try:
        yield Client(port)
    finally:
        web.should_exit = web.force_exit = True
        thread.join()
        runtime.close()


@pytest.fixture
def serve_sampler(tiny_checkpoint: Path) -> Iterator[Callable[..., Client]]:
    """Return a function that serves images of any batch source, from within this process."""
    card = load_checkpoint(tiny_checkpoint).card
    with ExitStack() as servers:

        def serve(sampler: BatchSource, **settings: object) -> Client:
            models = Models([Model(card=card, sha256="0" * 64, sampler=sampler)], card.name)
            runtime = Runtime(Settings(**settings), models, DeviceThread(), "test")
            return servers.enter_context(_serve_here(runtime))

        yield serve


@pytest.fixture(scope="session")
def swift_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Swift]:
    absent = missing()
    if absent is not None:
        pytest.skip(f"no S3 server to test against: {absent}")
    with running_swift(tmp_path_factory.mktemp("swift")) as server:
        yield server


@pytest.fixture
def aws(swift_server: Swift, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Set the variables that lead to Swift, for this process, and return them for others."""
    variables = {
        "AWS_ENDPOINT_URL": swift_server.endpoint,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return {**variables, **without_aws_configuration()}
