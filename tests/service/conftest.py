"""Servers for the tests over HTTP, of the whole session or within this process; pages of the gallery."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fake_samplers import FakeSampler
from live_server import GRACE_SECONDS, KUBERNETES, Client, LiveServer, free_port, wait_for

from endotwin.generator.checkpoint import load_checkpoint
from endotwin.settings import Settings
from service.access.control import AccessControl
from service.app import create_app
from service.device_queue import DeviceQueue
from service.listener import listen
from service.models import Model, Models
from service.request_log import RequestLog
from service.runtime import Runtime
from service.server import StoppableServer

if TYPE_CHECKING:
    from gallery_page import GalleryPage, Open
    from playwright.sync_api import Browser


@pytest.fixture(scope="session")
def restarted(labelled_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """Yield another service of the checkpoints of `server`, with the variables of a pod of Kubernetes."""
    in_a_pod = {name.removeprefix("ENDOTWIN_").lower(): value for name, value in KUBERNETES.items()}
    settings = {"checkpoint_dir": str(labelled_checkpoint.parent), "default_model": "tiny", **in_a_pod}
    live = LiveServer(tmp_path_factory.mktemp("home"), **settings)
    yield live
    live.stop()


@contextmanager
def _serve_here(runtime: Runtime) -> Iterator[Client]:
    app = create_app()
    app.state.runtime = runtime
    port = free_port()
    web = StoppableServer(
        lambda _: RequestLog(AccessControl(app, app.state)),
        listen("127.0.0.1", port),
        runtime.settings,
        GRACE_SECONDS,
    )
    thread = threading.Thread(target=web.serve_listener)
    thread.start()
    wait_for(lambda: web.started, "uvicorn to start")
    try:
        yield Client(port)
    finally:
        web.should_exit = web.force_exit = True
        thread.join()
        runtime.close()


@pytest.fixture
def serve_runtime() -> Iterator[Callable[[Runtime], Client]]:
    """Return a function that serves a runtime from within this process."""
    with ExitStack() as servers:
        yield lambda runtime: servers.enter_context(_serve_here(runtime))


@pytest.fixture
def serve_sampler(
    tiny_checkpoint: Path, serve_runtime: Callable[[Runtime], Client]
) -> Callable[..., Client]:
    """Return a function that serves images of any sampler, from within this process."""
    card = load_checkpoint(tiny_checkpoint).card

    def serve(sampler: FakeSampler, **settings: object) -> Client:
        models = Models([Model(card=card, generator_sha256="0" * 64, samplers=[sampler])], card.name)
        return serve_runtime(Runtime(Settings(**settings), models, DeviceQueue(), "test"))

    return serve


@pytest.fixture(scope="session")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """Yield a running service as it comes: of the checkpoints that ship."""
    live = LiveServer(tmp_path_factory.mktemp("home"))
    yield live
    live.stop()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Open]:
    """Return a function that opens pages of a gallery; at the end each is closed without faults."""
    from gallery_page import GalleryPage  # noqa: PLC0415 (tests without a browser do without Playwright)

    pages: list[GalleryPage] = []

    def open_page(server: Client, query: str = "", **device: object) -> GalleryPage:
        pages.append(GalleryPage(browser, server.port, **device))
        return pages[-1].open(query)

    yield open_page
    for page in pages:
        page.close()
