"""The examples of docs/sets.md, run as they stand there, with the libraries that they are for."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
import torch
from set_tools import Workshop

from endotwin.generator.sampler import Sampler
from endotwin.image_range import ImageRange
from endotwin.sets.storage.folder import FolderDestination

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "sets.md"
BLOCKS = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
N = 60


class _Collect(ast.NodeTransformer):
    """Turns a line that only names values into one that collects them."""

    def visit_Expr(self, node: ast.Expr) -> ast.Expr:
        function = ast.Attribute(ast.Name("_values", ast.Load()), "append", ast.Load())
        return ast.Expr(ast.Call(function, [node.value], []))


def example(mark: str) -> tuple[list[Any], dict[str, Any]]:
    """Run the one example that contains `mark`; return the values of its bare lines, and its names."""
    (chosen,) = [block for block in BLOCKS if mark in block]
    values: list[Any] = []
    names: dict[str, Any] = {"__name__": "example", "_values": values}
    tree = ast.fix_missing_locations(_Collect().visit(ast.parse(chosen)))
    exec(compile(tree, str(DOCUMENT), "exec"), names)
    return values, names


@pytest.fixture(scope="module")
def images(workshop: Workshop) -> np.ndarray:
    return Sampler(workshop.checkpoint).images(7, N)


@pytest.fixture(scope="module")
def reader(workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a set of three shards in `sets/first`."""
    folder = tmp_path_factory.mktemp("reader")
    workshop.finished(workshop.spec(n=N), FolderDestination(folder / "sets" / "first"))
    return folder


@pytest.fixture(autouse=True)
def surroundings(reader: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(reader)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)


def check(values: list[Any], images: np.ndarray) -> None:
    assert [index for _, index in values] == list(range(N))
    assert all(np.array_equal(np.asarray(image), images[index]) for image, index in values)


def test_webdataset(images: np.ndarray) -> None:
    check(example('decode("l8")')[0], images)


def test_webdataset_with_labels(
    labelled_workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = labelled_workshop.spec(n=16, shard_size=12, labels=("borders", "instances"))
    labelled_workshop.finished(spec, FolderDestination(tmp_path / "sets" / "first"))
    monkeypatch.chdir(tmp_path)
    values, _ = example("instances.png")
    expected = Sampler(labelled_workshop.checkpoint).batch(ImageRange(7, 0, 16)).labels()
    assert len(values) == 32
    for i, label in enumerate(expected):
        assert np.array_equal(values[2 * i], label.borders)
        assert values[2 * i + 1].dtype == np.uint16
        assert np.array_equal(values[2 * i + 1], label.instances)


def test_hugging_face(images: np.ndarray) -> None:
    [(image, index)], names = example('load_dataset("sets/first"')
    assert index == 42
    assert np.array_equal(np.asarray(image), images[42])
    assert len(names["images"]) == N


def test_hugging_face_streaming(images: np.ndarray) -> None:
    check(example("streaming=True")[0], images)


def test_torch(images: np.ndarray) -> None:
    _, names = example("IterableDataset")
    read = torch.cat(list(names["Shards"](names["shards"])))
    assert torch.equal(read, torch.from_numpy(images) / 255)
    batches = torch.cat(list(names["batches"]))  # in an order of their own: four workers read
    assert batches.shape == (N, 1, 128, 128)
    assert {image.numpy().tobytes() for image in batches} == {
        image.numpy().tobytes() for image in read[:, None]
    }


def test_one_image_of_a_zip(
    workshop: Workshop, images: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = workshop.spec(n=N, shard_size=50, format="zip")
    workshop.finished(spec, FolderDestination(tmp_path / "sets" / "first"))
    monkeypatch.chdir(tmp_path)
    _, names = example("zipfile.ZipFile")
    assert np.array_equal(np.asarray(names["image"]), images[42])


@pytest.mark.usefixtures("empty_croissant_cache")
def test_mlcroissant(images: np.ndarray) -> None:
    values, _ = example("mlcroissant.Dataset")
    read = {name.decode(): np.asarray(image) for name, image in values}
    assert sorted(read) == [f"7-{i:08d}.png" for i in range(N)]
    assert all(np.array_equal(read[f"7-{i:08d}.png"], images[i]) for i in range(N))


def test_no_example_is_left_out() -> None:
    assert len(BLOCKS) == 7
