"""What a set says of itself, read by those it is written for."""

from __future__ import annotations

import json
from pathlib import Path

import mlcroissant
import numpy as np
import pytest
import webdataset
import yaml
from set_tools import Workshop

from endotwin.generator.sampler import Sampler
from endotwin.sets.documents import build_documents
from endotwin.sets.manifest import Manifest, ShardEntry
from endotwin.sets.storage.folder import FolderDestination


@pytest.fixture(scope="module", params=["tar", "zip"])
def made(
    request: pytest.FixtureRequest, workshop: Workshop, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Manifest]:
    folder = tmp_path_factory.mktemp("set")
    manifest = workshop.finished(workshop.spec(n=40, format=request.param), FolderDestination(folder))
    return folder, manifest


@pytest.fixture(scope="module")
def images(workshop: Workshop) -> np.ndarray:
    return Sampler(workshop.checkpoint).images(7, 40)


def test_mlcroissant_finds_nothing_wrong(made: tuple[Path, Manifest]) -> None:
    folder, manifest = made
    dataset = mlcroissant.Dataset(jsonld=str(folder / "croissant.json"))
    issues = dataset.metadata.ctx.issues
    assert (list(issues.errors), list(issues.warnings)) == ([], [])
    files = {file.content_url: file for file in dataset.metadata.file_objects}
    assert files.keys() == {entry.key for entry in manifest.shards}
    assert all(files[entry.key].sha256 == entry.sha256 for entry in manifest.shards)


@pytest.mark.usefixtures("empty_croissant_cache")
def test_mlcroissant_reads_the_images(made: tuple[Path, Manifest], images: np.ndarray) -> None:
    dataset = mlcroissant.Dataset(jsonld=str(made[0] / "croissant.json"))
    read = {
        record["samples/name"].decode(): np.asarray(record["samples/image"])
        for record in dataset.records("samples")
    }
    assert sorted(read) == [f"7-{i:08d}.png" for i in range(40)]
    assert all(np.array_equal(read[f"7-{i:08d}.png"], images[i]) for i in range(40))


def test_the_snippet_of_the_card_reads_the_set(
    workshop: Workshop, images: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workshop.finished(workshop.spec(n=40), FolderDestination(tmp_path))
    monkeypatch.chdir(tmp_path)
    snippet = (tmp_path / "README.md").read_text().split("```python\n")[1].split("```")[0]
    collected: list[tuple[int, np.ndarray]] = []
    line = '    sample["png"], sample["json"]["index"]'
    assert line in snippet
    collect = '    collected.append((sample["json"]["index"], sample["png"]))'
    exec(snippet.replace(line, collect), {"webdataset": webdataset, "collected": collected})
    assert [index for index, _ in collected] == list(range(40))
    assert all(np.array_equal(image, images[index]) for index, image in collected)


def test_the_front_matter_is_what_hugging_face_reads(made: tuple[Path, Manifest]) -> None:
    folder, manifest = made
    text = (folder / "README.md").read_text()
    front = yaml.safe_load(text.split("---\n")[1])
    assert front["license"] == "other"
    assert (folder / front["license_link"]).read_text()
    assert front["size_categories"] == ["n<1K"]
    [data_files] = front["configs"][0]["data_files"]
    assert {str(path.relative_to(folder)) for path in folder.glob(data_files["path"])} == {
        entry.key for entry in manifest.shards
    }


def test_the_card_states_checkpoint_score_and_terms(
    workshop: Workshop, made: tuple[Path, Manifest]
) -> None:
    text = (made[0] / "README.md").read_text()
    assert workshop.checkpoint.generator_sha256 in text
    assert "123.50 (3,000 generated against 3,000 training crops; real against real: 6.00)" in text
    assert f"| terms | {workshop.card.data.terms} |" in text
    assert "Not for diagnosis" in text


@pytest.mark.parametrize(
    ("n", "category"),
    [(999, "n<1K"), (1000, "1K<n<10K"), (9999, "1K<n<10K"), (10**6, "1M<n<10M"), (10**12, "n>1T")],
)
def test_the_size_category_is_that_of_hugging_face(n: int, category: str, workshop: Workshop) -> None:
    entry = ShardEntry(
        key="train/shard-000000.tar", bytes=1, sha256="0" * 64, start=0, samples=1,
        pixels_sha256="0" * 64, device="cpu", torch="2", numpy="2", numba="0", pillow="11",
    )  # fmt: skip
    text = build_documents(workshop.spec(n=n, shard_size=10**6), workshop.card, [entry])[
        "README.md"
    ].decode()
    assert yaml.safe_load(text.split("---\n")[1])["size_categories"] == [category]


def test_the_manifest_keeps_to_its_form(made: tuple[Path, Manifest]) -> None:
    folder, manifest = made
    content = (folder / "manifest.json").read_bytes()
    assert Manifest.model_validate_json(content) == manifest
    assert set(json.loads(content)) == {
        "schema_version", "spec", "set_digest", "bytes", "shards", "documents",
    }  # fmt: skip
