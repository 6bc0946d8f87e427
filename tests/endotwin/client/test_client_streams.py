"""Images through a client: the bytes of a loaded model, also where streams are cut or damaged."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from cutting_proxy import CuttingProxy, running_cutting_proxy
from live_server import LiveServer, free_port

import endotwin
from endotwin.client import image_stream
from endotwin.files import OutputError
from endotwin.loaded_model import LoadedModel

LABELS = ["borders", "soft", "instances", "guttae", "cells", "parameters"]


@pytest.fixture(scope="session")
def loaded(labelled_checkpoint: Path) -> LoadedModel:
    return endotwin.load(labelled_checkpoint, device="cpu")


@pytest.fixture
def small_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a call ask for 20 images at a time."""
    monkeypatch.setattr(image_stream, "_LARGEST_REQUEST", 20)


def address(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def assert_same(found: Sequence[endotwin.Sample], expected: Sequence[endotwin.Sample]) -> None:
    assert [sample.name for sample in found] == [sample.name for sample in expected]
    for one, other in zip(found, expected, strict=True):
        assert np.array_equal(one.image, other.image)
        assert one.labels.keys() == other.labels.keys()
        for name, label in one.labels.items():
            assert label.dtype == other.labels[name].dtype
            assert np.array_equal(label, other.labels[name]), name
        assert one.record == json.loads(json.dumps(other.record))


def test_a_client_brings_what_a_loaded_model_makes(server: LiveServer, loaded: LoadedModel) -> None:
    asked = {"density": (1500, 2500.0), "hexagonality": 0.6, "guttae": "0.1", "pixel_size": 0.9}
    expected = list(loaded.samples(7, 20, 5, labels=LABELS, **asked))
    with endotwin.Client(address(server.port)) as client:
        found = list(client.samples(7, 20, 5, labels=reversed(LABELS), **asked))
        images = client.images(7, 20, 5, **asked)
    assert_same(found, expected)
    assert np.array_equal(images, [sample.image for sample in expected])
    assert np.array_equal(images, loaded.images(7, 20, 5, **asked))
    assert found[3].parameters is not None
    assert 1500 <= found[3].parameters["asked"]["density"] <= 2500
    assert found[3].cells is not None
    assert found[3].labels["instances"].dtype == np.uint16


def test_one_that_is_not_labelled_has_plain_samples(server: LiveServer, tiny_checkpoint: Path) -> None:
    with endotwin.Client(address(server.port)) as client:
        found = list(client.samples(2**64 - 1, 3, 2**53 - 3))
    expected = list(endotwin.load(tiny_checkpoint, device="cpu").samples(2**64 - 1, 3, 2**53 - 3))
    assert_same(found, expected)
    assert (found[0].labels, found[0].parameters, found[0].cells) == ({}, None, None)


@pytest.fixture
def proxy(server: LiveServer, small_requests: None) -> CuttingProxy:
    with running_cutting_proxy(server.port) as running:
        yield running


def test_every_third_stream_is_cut_and_nothing_is_missing(
    proxy: CuttingProxy, loaded: LoadedModel, tmp_path: Path
) -> None:
    with endotwin.Client(address(proxy.port)) as client:
        images = client.images(3, 60, 7, model="tiny-labelled")
        after_images = proxy.faults
        samples = list(client.samples(3, 60, 7, labels=LABELS))
        client.download(tmp_path / "some.tar", 3, 60, 7, labels=["borders"])
    assert 1 <= after_images < proxy.faults
    assert np.array_equal(images, loaded.images(3, 60, 7))
    assert_same(samples, list(loaded.samples(3, 60, 7, labels=LABELS)))
    # It goes on behind the last image that was whole, not from the start of the request.
    assert any((start - 7) % 20 for start in proxy.starts)


def test_files_are_byte_for_byte_those_of_one_stream(
    proxy: CuttingProxy, server: LiveServer, tmp_path: Path
) -> None:
    with endotwin.Client(address(proxy.port)) as client:
        client.download(tmp_path / "some.tar", 3, 60, labels=["borders", "parameters"], cv=0.3)
        client.download(tmp_path / "some.npy", 3, 60)
        with pytest.raises(OutputError, match="exists"):
            client.download(tmp_path / "some.npy", 3, 60)
        with pytest.raises(ValueError, match="an npy has no place for labels"):
            client.download(tmp_path / "other.npy", 3, 60, labels=["borders"])
        with pytest.raises(ValueError, match=r"must end in \.tar or \.npy"):
            client.download(tmp_path / "other.zip", 3, 60)
    assert proxy.faults
    assert sorted(path.name for path in tmp_path.iterdir()) == ["some.npy", "some.tar"]
    tar = server.generate("n=60&seed=3&labels=borders,parameters&cv=0.3").body
    assert (tmp_path / "some.tar").read_bytes() == tar
    assert (tmp_path / "some.npy").read_bytes() == server.generate("n=60&seed=3&format=npy").body


def test_asyncio_brings_the_same(proxy: CuttingProxy, loaded: LoadedModel, tmp_path: Path) -> None:
    async def ask() -> tuple[list[endotwin.Sample], np.ndarray]:
        async with endotwin.AsyncClient(address(proxy.port)) as client:
            images, _ = await asyncio.gather(
                client.images(5, 70, model="tiny-labelled"),
                client.download(tmp_path / "some.tar", 5, 10),
            )
            return [sample async for sample in client.samples(5, 70, labels=LABELS)], images

    samples, images = asyncio.run(ask())
    assert proxy.faults
    assert np.array_equal(images, loaded.images(5, 70))
    assert_same(samples, list(loaded.samples(5, 70, labels=LABELS)))


def test_damaged_files_are_asked_for_again(
    server: LiveServer, loaded: LoadedModel, small_requests: None
) -> None:
    """A byte that has changed is found by the checksums of tar and PNG, or changes nothing that is read."""
    with (
        running_cutting_proxy(server.port, 2, "damage") as proxy,
        endotwin.Client(address(proxy.port)) as client,
    ):
        samples = list(client.samples(3, 60, labels=["borders"]))
        assert proxy.faults
    for sample, expected in zip(samples, loaded.samples(3, 60, labels=["borders"]), strict=True):
        assert np.array_equal(sample.image, expected.image)
        assert np.array_equal(sample.labels["borders"], expected.labels["borders"])


def test_what_is_left_early_ends_the_stream(server: LiveServer) -> None:
    with endotwin.Client(address(server.port)) as client:
        samples = client.samples(3, 20_000)  # four times what the operator allows in one request
        assert next(samples).index == 0
        samples.close()
    server.wait_until_idle()


def test_an_address_where_nothing_answers_is_named_at_once(server: LiveServer) -> None:
    port = free_port()
    with endotwin.Client(address(port)) as client, pytest.raises(endotwin.ConnectionFailedError) as raised:
        client.images(3, 1)
    assert str(raised.value).startswith(f"no service answers at http://127.0.0.1:{port} (ConnectError")
    with pytest.raises(ValueError, match=r"like https://endotwin\.example, got 'localhost:3000'"):
        endotwin.Client("localhost:3000")


def test_a_service_that_is_lost_for_good_is_given_up(server: LiveServer) -> None:
    with (
        running_cutting_proxy(server.port, 10**9) as proxy,
        endotwin.Client(address(proxy.port), patience=0.5) as client,
    ):
        images = client.stream_images(3, 5000)
        next(images)
        proxy.every = 1  # every stream from now on is cut, most before an image is whole
        proxy.close()
        with pytest.raises(endotwin.ConnectionFailedError, match=r"did not come back within 0\.5 s"):
            client.images(3, 5000)
        images.close()


def test_wrong_arguments_say_what_is_right(loaded: LoadedModel, tiny_checkpoint: Path) -> None:
    with pytest.raises(TypeError, match="there is no argument 'densty'; conditions are density, cv"):
        loaded.samples(1, 1, densty=2)
    with pytest.raises(TypeError, match="cv must be a number, a pair"):
        loaded.samples(1, 1, cv=True)
    with pytest.raises(ValueError, match="labels must be one or more of borders"):
        loaded.samples(1, 1, labels=["border"])
    with pytest.raises(ValueError, match="model tiny has no labels and takes no conditions"):
        endotwin.load(tiny_checkpoint, device="cpu").images(1, 1, density=2000)
    with pytest.raises(ValueError, match="count must be at least 1"):
        loaded.samples(1, 0)
