"""A client that openapi-python-client makes from the description talks to the service."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module

import pytest
from live_server import LiveServer, Reply

generator = pytest.importorskip("openapi_python_client", reason="openapi-python-client is not installed")
from openapi_python_client.config import Config, ConfigFile, MetaType  # noqa: E402

from endotwin.samples.formats import FORMATS  # noqa: E402

PACKAGE = "made_client"
ADDRESS = "http://127.0.0.1:{}"


@pytest.fixture(scope="module")
def made(server: LiveServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Make a client, and yield the name of its package."""
    folder = tmp_path_factory.mktemp("client")
    files = {archive.media_type: "application/octet-stream" for archive in FORMATS.values()}
    config = Config.from_sources(
        ConfigFile(content_type_overrides=files, post_hooks=[]),
        MetaType.NONE,
        document_source=f"{ADDRESS.format(server.port)}/docs.json",
        file_encoding="utf-8",
        overwrite=False,
        output_path=folder / PACKAGE,
    )
    problems = generator.generate(config=config)
    assert [f"{problem.header}: {problem.detail}" for problem in problems] == []
    sys.path.insert(0, str(folder))
    yield PACKAGE
    sys.path.remove(str(folder))


@pytest.mark.parametrize("kind", list(FORMATS))
def test_ten_images(server: LiveServer, made: str, kind: str) -> None:
    client = import_module(f"{made}.client").Client(base_url=ADDRESS.format(server.port))
    kinds = import_module(f"{made}.models").GenerateFormat
    generate = import_module(f"{made}.api.images.generate")
    reply = generate.sync_detailed(client=client, n=10, seed=7, format_=kinds(kind))
    assert reply.headers["X-Endotwin-Count"] == "10"
    assert reply.parsed.payload.read() == server.generate(f"n=10&seed=7&format={kind}").body


def test_ten_images_with_labels_piece_by_piece(server: LiveServer, made: str) -> None:
    client = import_module(f"{made}.client").Client(base_url=ADDRESS.format(server.port))
    asked = import_module(f"{made}.api.images.generate")._get_kwargs(
        n=10, seed=7, labels="borders,instances", density="1500:2500", cv=0.3, guttae=0.1 + 0.2
    )
    with client.get_httpx_client().stream(**asked) as reply:
        assert reply.status_code == 200
        pieces = list(reply.iter_raw())
        headers = reply.headers
    assert headers["X-Endotwin-Conditions"] == "density=1500:2500&cv=0.3&guttae=0.30000000000000004"
    assert len(Reply(200, headers, b"".join(pieces)).members) == 40


def test_models_and_errors(server: LiveServer, made: str) -> None:
    client = import_module(f"{made}.client").Client(base_url=ADDRESS.format(server.port))
    models = import_module(f"{made}.api.models.list_models").sync(client=client).models
    assert [model.name for model in models] == ["tiny", "tiny-labelled"]
    name = import_module(f"{made}.models").ShowModelName.TINY_LABELLED
    details = import_module(f"{made}.api.models.show_model").sync(client=client, name=name)
    assert details.card.name == "tiny-labelled"
    error = import_module(f"{made}.api.images.generate").sync(client=client, n=0).error
    assert (error.code, error.field) == ("invalid_parameter", "n")
    page = import_module(f"{made}.api.jobs.list_jobs").sync(client=client)
    assert page.error.code == "no_jobs"
