"""image(checkpoint, seed, index) over HTTP: the same bytes however they are asked for."""

from __future__ import annotations

import io
import json
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import torch
from live_server import LiveServer, Reply
from PIL import Image

from endotwin.generator.checkpoint import load_checkpoint
from endotwin.generator.sampler import Sampler

FORMATS = ["tar", "zip", "npy"]


@pytest.fixture(scope="module")
def fifty(server: LiveServer) -> dict[str, Reply]:
    """Return images 0 to 49 of seed 7 in every format, as the server gave them when it was alone."""
    return {name: server.generate(f"n=50&seed=7&format={name}") for name in FORMATS}


def test_stream_holds_what_the_sampler_makes(fifty: dict[str, Reply], tiny_checkpoint: Path) -> None:
    sampler = Sampler(load_checkpoint(tiny_checkpoint))
    expected = sampler.images(seed=7, count=50, start=0)
    assert np.array_equal(fifty["npy"].images, expected)
    assert len({image.tobytes() for image in expected}) == 50


@pytest.mark.parametrize("name", ["tar", "zip"])
def test_archives_hold_the_same_images_as_the_array(fifty: dict[str, Reply], name: str) -> None:
    members = fifty[name].members
    assert list(members)[:4] == ["7-00000000.png", "7-00000000.json", "7-00000001.png", "7-00000001.json"]
    pngs = [content for member, content in members.items() if member.endswith(".png")]
    images = np.stack([np.asarray(Image.open(io.BytesIO(png))) for png in pngs])
    assert np.array_equal(images, fifty["npy"].images)
    record = json.loads(members["7-00000049.json"])
    assert record["generator_sha256"] == fifty[name].headers["X-Endotwin-Generator"]


@pytest.mark.parametrize("name", FORMATS)
def test_same_request_gives_same_bytes(server: LiveServer, fifty: dict[str, Reply], name: str) -> None:
    assert server.generate(f"n=50&seed=7&format={name}").body == fifty[name].body


@pytest.mark.parametrize(("start", "n"), [(0, 10), (40, 10), (13, 21), (16, 16), (31, 2), (49, 1)])
def test_image_does_not_depend_on_n_and_start(
    server: LiveServer, fifty: dict[str, Reply], start: int, n: int
) -> None:
    npy = server.generate(f"n={n}&seed=7&start={start}&format=npy")
    assert np.array_equal(npy.images, fifty["npy"].images[start : start + n])


@pytest.mark.parametrize("name", ["tar", "zip"])
def test_members_do_not_depend_on_n_and_start(
    server: LiveServer, fifty: dict[str, Reply], name: str
) -> None:
    tail = server.generate(f"n=10&seed=7&start=40&format={name}").members
    assert list(tail.items()) == list(fifty[name].members.items())[-20:]


def test_stream_beside_seven_others(server: LiveServer, fifty: dict[str, Reply]) -> None:
    queries = ["n=50&seed=7&format=npy", *(f"n=50&seed={seed}&start=5" for seed in range(7))]
    with ThreadPoolExecutor(len(queries)) as clients:
        beside = list(clients.map(server.generate, queries))
    assert beside[0].body == fifty["npy"].body
    assert len({reply.body for reply in beside}) == len(queries)


@pytest.mark.parametrize("name", FORMATS)
def test_restart_changes_no_byte(fifty: dict[str, Reply], restarted: LiveServer, name: str) -> None:
    assert restarted.generate(f"n=50&seed=7&format={name}").body == fifty[name].body


def test_headers_say_where_images_come_from(fifty: dict[str, Reply], tiny_checkpoint: Path) -> None:
    headers = fifty["tar"].headers
    assert headers["X-Endotwin-Model"] == "tiny"
    assert headers["X-Endotwin-Generator"] == load_checkpoint(tiny_checkpoint).generator_sha256
    assert headers["X-Endotwin-Fid"] == "123.50"
    assert headers["X-Endotwin-Torch"] == torch.__version__
    for name in ("numpy", "numba", "pillow"):
        assert headers[f"X-Endotwin-{name.title()}"] == version(name)
    assert headers["X-Endotwin-Device"].startswith(("cpu ", "cuda "))
    assert [headers[f"X-Endotwin-{name}"] for name in ("Seed", "Start", "Count")] == ["7", "0", "50"]
    assert headers["Content-Disposition"] == 'attachment; filename="endotwin-tiny-7-0-50.tar"'
    assert headers["Content-Type"] == "application/x-tar"
    assert (headers["X-Endotwin-Labels"], headers["X-Endotwin-Conditions"]) == ("none", "none")
    assert "Content-Length" not in headers
    assert int(fifty["npy"].headers["Content-Length"]) == 128 + 50 * 128 * 128


def test_defaults_are_one_image_of_a_random_seed_in_the_headers(server: LiveServer) -> None:
    first, second = server.request("/generate"), server.request("/generate")
    assert len(first.members) == 2
    assert first.headers["X-Endotwin-Seed"] != second.headers["X-Endotwin-Seed"]
    assert server.generate(f"seed={first.headers['X-Endotwin-Seed']}").body == first.body


def test_largest_seed_and_index(server: LiveServer) -> None:
    reply = server.generate(f"n=3&seed={2**64 - 1}&start={2**53 - 3}&format=npy")
    assert reply.images.shape == (3, 128, 128)
