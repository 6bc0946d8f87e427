"""image(checkpoint, seed, index, conditions) and its label over HTTP: the same bytes however asked for."""

from __future__ import annotations

import io
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from live_server import LiveServer, Reply
from PIL import Image

from endotwin.generator.checkpoint import load_checkpoint, read_card
from endotwin.generator.sampler import Sampler
from endotwin.image_range import ImageRange
from endotwin.mosaic.labels import Label
from endotwin.process_environment import GENERATING
from endotwin.samples.conditions import parse_conditions
from endotwin.samples.labelling import IMAGE_LABELS, LABELS

ASKED = "density=1500:2500&hexagonality=0.6&guttae=0.1"
ALL = f"labels={','.join(reversed(LABELS))}&{ASKED}"
N = 20


@pytest.fixture(scope="module")
def tar(server: LiveServer) -> Reply:
    """Return images 0 to 19 of seed 7 with all their labels, as the server gave them when it was alone."""
    return server.generate(f"n={N}&seed=7&{ALL}")


@pytest.fixture(scope="module")
def expected(labelled_checkpoint: Path) -> list[tuple[np.ndarray, Label]]:
    """Return the same from the sampler."""
    sampler = Sampler(load_checkpoint(labelled_checkpoint))
    conditions = parse_conditions({"density": "1500:2500", "hexagonality": "0.6", "guttae": "0.1"})
    return [
        pair
        for batch in sampler.batches(ImageRange(7, 0, N), conditions)
        for pair in zip(batch.images, batch.labels(), strict=True)
    ]


def pixels(png: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(png)) as image:
        return np.asarray(image)


def test_the_tar_holds_what_the_sampler_makes(tar: Reply, expected: list[tuple[np.ndarray, Label]]) -> None:
    members = tar.members
    suffixes = ["png", "borders.png", "soft.png", "instances.png", "guttae.png", "visible.png", "json"]
    assert list(members)[:7] == [f"7-00000000.{suffix}" for suffix in suffixes]
    assert len(members) == N * len(suffixes)
    for at, (image, label) in enumerate(expected):
        name = f"7-{at:08d}"
        assert np.array_equal(pixels(members[f"{name}.png"]), image)
        for kind in IMAGE_LABELS:
            assert np.array_equal(pixels(members[f"{name}.{kind}.png"]), getattr(label, kind))
        record = json.loads(members[f"{name}.json"])
        assert record["conditions"] == {"density": "1500:2500", "hexagonality": "0.6", "guttae": "0.1"}
        assert record["parameters"]["measured"]["cells"] == label.measured.cells
        assert [cell["area_px"] for cell in record["cells"]] == [cell.area for cell in label.cells]


def test_the_zip_holds_the_files_of_the_tar(server: LiveServer, tar: Reply) -> None:
    assert server.generate(f"n={N}&seed=7&format=zip&{ALL}").members == tar.members


@pytest.mark.parametrize(("start", "n"), [(0, 3), (13, 5), (19, 1)])
def test_labels_do_not_depend_on_n_and_start(server: LiveServer, tar: Reply, start: int, n: int) -> None:
    part = server.generate(f"n={n}&seed=7&start={start}&{ALL}").members
    assert list(part.items()) == list(tar.members.items())[start * 7 : (start + n) * 7]


def test_labels_beside_other_streams(server: LiveServer, tar: Reply) -> None:
    queries = [
        f"n={N}&seed=7&{ALL}",
        f"n={N}&seed=7&format=zip&{ALL}",
        "n=20&seed=7&labels=soft&age=60",
        "n=50&seed=7",
    ]
    with ThreadPoolExecutor(len(queries)) as clients:
        beside = list(clients.map(server.generate, queries))
    assert beside[0].body == tar.body
    assert beside[1].members == tar.members


def test_restart_changes_no_byte(tar: Reply, restarted: LiveServer) -> None:
    assert restarted.generate(f"n={N}&seed=7&{ALL}").body == tar.body


def test_conditions_alone_give_the_labelled_images(server: LiveServer, tar: Reply) -> None:
    images = server.generate(f"n={N}&seed=7&format=npy&{ASKED}").images
    assert np.array_equal(images, [pixels(tar.members[f"7-{at:08d}.png"]) for at in range(N)])


def test_labels_alone_change_no_image(server: LiveServer) -> None:
    plain = server.generate("n=2&seed=7&format=npy&model=tiny-labelled")
    labelled = server.generate("n=2&seed=7&labels=soft").members
    assert np.array_equal(plain.images, [pixels(labelled[f"7-{at:08d}.png"]) for at in range(2)])


def test_headers_say_what_was_asked_in_one_way(tar: Reply, labelled_checkpoint: Path) -> None:
    assert tar.headers["X-Endotwin-Model"] == "tiny-labelled"
    assert tar.headers["X-Endotwin-Generator"] == load_checkpoint(labelled_checkpoint).generator_sha256
    assert tar.headers["X-Endotwin-Labels"] == ",".join(LABELS)
    assert tar.headers["X-Endotwin-Conditions"] == ASKED


def test_headers_are_enough_to_ask_again(server: LiveServer) -> None:
    first = server.generate("labels=guttae,borders&guttae=0.10:0.2&pixel_size=1.0&cv=0.3:0.3")
    said = {
        name: first.headers[f"X-Endotwin-{name}"]
        for name in ("Count", "Seed", "Start", "Model", "Labels", "Conditions")
    }
    assert said["Conditions"] == "cv=0.3&guttae=0.1:0.2&pixel_size=1"
    again = "n={Count}&seed={Seed}&start={Start}&model={Model}&labels={Labels}&{Conditions}".format(**said)
    assert server.generate(again).body == first.body


def test_a_request_without_labels_gets_the_default_model(server: LiveServer) -> None:
    reply = server.generate("n=1&seed=7")
    assert reply.headers["X-Endotwin-Model"] == "tiny"
    assert (reply.headers["X-Endotwin-Labels"], reply.headers["X-Endotwin-Conditions"]) == ("none", "none")
    assert list(json.loads(reply.members["7-00000000.json"])) == [
        "generator_sha256",
        "index",
        "model",
        "seed",
    ]


def test_models_say_which_has_labels(server: LiveServer, labelled_checkpoint: Path) -> None:
    listed = json.loads(server.request("/models", "GET").body)["models"]
    assert {model["name"]: model["labels"] for model in listed} == {"tiny": False, "tiny-labelled": True}
    shown = json.loads(server.request("/models/tiny-labelled", "GET").body)
    assert shown["labels"] is True
    population = read_card(labelled_checkpoint).architecture.population.model_dump()
    assert shown["population"] == population == shown["card"]["architecture"]["population"]


@pytest.mark.parametrize(
    ("query", "field", "allowed"),
    [
        ("labels=border", "labels", "borders, soft, instances, guttae, visible, cells, parameters"),
        ("labels=", "labels", "borders, soft, instances, guttae, visible, cells, parameters"),
        ("labels=soft,soft", "labels", "each once"),
        ("labels=soft&format=npy", "format", "tar, zip have one"),
        ("labels=soft&format=npz", "format", "format must be one of tar, zip, npy, got 'npz'"),
        (
            "labels=soft&model=tiny",
            "model",
            "model tiny has no labels and takes no conditions; tiny-labelled",
        ),
        ("density=2000&model=tiny", "model", "tiny-labelled can"),
        ("density=9000", "density", "within 500 to 4500, got 9000"),
        ("density=2e3", "density", "cells per mm²"),
        ("density=2500&pixel_size=2.5", "density", "with this pixel_size it can be from"),
        ("cv=0.6&hexagonality=0.85", "hexagonality", "cannot be had together"),
        ("pixel_size=1:2", "pixel_size", "a number (side of a pixel"),
        ("age=5:200", "age", "within 5 to 105"),
        ("appearance=1000", "appearance", "0 to 999), got '1000'"),
        ("appearance=1&model=tiny", "model", "tiny-labelled can"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_cannot_be_had(server: LiveServer, query: str, field: str, allowed: str) -> None:
    reply = server.request(f"/generate?{query}")
    assert reply.status == 400
    assert (reply.error["code"], reply.error["field"]) == ("invalid_parameter", field)
    assert allowed in reply.error["message"]
    assert len(reply.error["message"]) < 300


def test_labelled_streams_are_counted_like_others(server: LiveServer) -> None:
    server.wait_until_idle()
    before = server.metrics()
    reply = server.generate("n=20&seed=1&labels=soft,parameters")
    server.wait_until_idle()
    after = server.metrics()
    grown = {name: value - before.get(name, 0.0) for name, value in after.items()}
    assert grown["endotwin_images_total"] == 20
    assert grown["endotwin_bytes_total"] == len(reply.body)
    assert grown["endotwin_requests_total:complete"] == 1
    assert grown["endotwin_device_seconds_count"] == 2
    assert grown["endotwin_encoding_seconds_count"] == 2


def test_the_service_sets_its_own_environment(server: LiveServer) -> None:
    [process] = server.processes()
    assert GENERATING.items() <= process.environ().items()
    assert GENERATING["OPENBLAS_NUM_THREADS"] == "1"
