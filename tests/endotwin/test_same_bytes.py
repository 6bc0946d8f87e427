"""One seed, one image: the same bytes from a loaded model, a data set, a client, the command line, HTTP."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from live_server import LiveServer
from PIL import Image
from typer.testing import CliRunner

import endotwin
from endotwin.cli.main import app
from endotwin.image_range import MAX_INDEX, MAX_SEED

LABELS = ["borders", "instances"]

conditions = st.fixed_dictionaries(
    {},
    optional={
        "density": st.just((1500, 2500)),
        "guttae": st.just(0.1),
        "age": st.integers(20, 80),
        "appearance": st.integers(0, 999),
        "expert_hand": st.just(True),
        "size": st.just("160x136"),
    },
)


def texts(asked: dict[str, Any]) -> dict[str, str]:
    pair = {name: f"{value[0]}:{value[1]}" for name, value in asked.items() if isinstance(value, tuple)}
    return {name: pair.get(name, str(value).lower()) for name, value in asked.items()}


def by_command_line(checkpoint: Path, seed: int, count: int, start: int, asked: dict[str, Any]) -> Any:
    options = [f"--n={count}", f"--seed={seed}", f"--start={start}", f"--labels={','.join(LABELS)}"]
    for name, text in texts(asked).items():
        option = f"--{name.replace('_', '-')}"
        options.append(option if text == "true" else f"{option}={text}")
    with tempfile.TemporaryDirectory() as folder:
        file = f"{folder}/some.npz"
        arguments = ["generate", *options, "--checkpoint", str(checkpoint), "--device", "cpu", "-o", file]
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, result.output
        with np.load(file) as arrays:
            return arrays["images"], arrays["borders"], arrays["instances"]


def by_http(server: LiveServer, seed: int, count: int, start: int, asked: dict[str, Any]) -> Any:
    query = f"n={count}&seed={seed}&start={start}&labels={','.join(LABELS)}"
    for name, text in texts(asked).items():
        query += f"&{name}={text}"
    members = server.generate(query).members
    return tuple(
        np.stack(
            [
                np.asarray(Image.open(io.BytesIO(content)))
                for name, content in members.items()
                if name.partition(".")[2] == suffix
            ]
        )
        for suffix in ("png", "borders.png", "instances.png")
    )


def arrays_of(items: Any) -> Any:
    items = [(item["image"], item["borders"], item["instances"]) for item in items]
    return tuple(np.stack(part) for part in zip(*items, strict=True))


def as_items(samples: Any) -> Any:
    return ({"image": sample.image, **sample.labels} for sample in samples)


@settings(max_examples=4)
@given(
    seed=st.integers(0, MAX_SEED),
    start=st.integers(0, MAX_INDEX - 20),
    count=st.integers(1, 20),
    asked=conditions,
)
def test_the_same_bytes_everywhere(
    server: LiveServer, labelled_checkpoint: Path, seed: int, start: int, count: int, asked: dict[str, Any]
) -> None:
    loaded = endotwin.load(labelled_checkpoint, "cpu")
    expected = arrays_of(as_items(loaded.samples(seed, count, start, labels=LABELS, **asked)))
    dataset = endotwin.dataset(
        labelled_checkpoint, seed, count, start, labels=LABELS, tensors=False, **asked
    )
    with endotwin.Client(f"http://127.0.0.1:{server.port}") as client:
        by_client = arrays_of(as_items(client.samples(seed, count, start, labels=LABELS, **asked)))
        images = client.images(seed, count, start, model="tiny-labelled", **asked)
    for found in (
        arrays_of(dataset),
        by_client,
        by_command_line(labelled_checkpoint, seed, count, start, asked),
        by_http(server, seed, count, start, asked),
    ):
        for one, other in zip(found, expected, strict=True):
            assert one.dtype == other.dtype
            assert np.array_equal(one, other)
    assert np.array_equal(images, expected[0])
    assert np.array_equal(loaded.images(seed, count, start, **asked), expected[0])
