"""Servers for the tests over HTTP: a real one for the whole session, and ones within this process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import uvicorn
from fake_samplers import FakeSampler
from live_server import Client, free_port, wait_for

from endotwin.generator.checkpoint import load_checkpoint
from endotwin.settings import Settings
from service.app import create_app
from service.device_queue import DeviceQueue
from service.models import Model, Models
from service.runtime import Runtime


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
    """Return a function that serves images of any sampler, from within this process."""
    card = load_checkpoint(tiny_checkpoint).card
    with ExitStack() as servers:

        def serve(sampler: FakeSampler, **settings: object) -> Client:
            models = Models([Model(card=card, generator_sha256="0" * 64, sampler=sampler)], card.name)
            runtime = Runtime(Settings(**settings), models, DeviceQueue(), "test")
            return servers.enter_context(_serve_here(runtime))

        yield serve
