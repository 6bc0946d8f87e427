"""Sets with labels and conditions: what every set can do, with more files per image."""

from __future__ import annotations

import json
import shutil
import signal
import tarfile
from collections.abc import Callable
from pathlib import Path

import mlcroissant
import numpy as np
import pytest
import webdataset
from live_server import PATIENCE_SECONDS, wait_for
from set_tools import Counting, Workshop, digests, start_command
from typer.testing import CliRunner, Result

from endotwin.cli.main import app
from endotwin.generator.sampler import Sampler
from endotwin.image_range import ImageRange
from endotwin.mosaic.labels import Label
from endotwin.mosaic.parameters import Conditions, Range
from endotwin.samples.sample import is_label_file
from endotwin.sets.inspection import inspect_shards
from endotwin.sets.manifest import Manifest, SetError
from endotwin.sets.plan import plan_set
from endotwin.sets.shard import estimate
from endotwin.sets.storage.folder import FolderDestination

Run = Callable[..., Result]

LABELS = ("borders", "instances", "parameters")
LABELLED = {"labels": LABELS, "conditions": {"density": "1500:2500"}}
OPTIONS = ("--labels", "parameters,borders,instances", "--density", "1500.0:2500")
"""The same for the command line, in another order and way of writing."""

N = 20
SMALL = ("--n", N, "--seed", 7, "--shard-size", 16)


@pytest.fixture(scope="module")
def original(labelled_workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> FolderDestination:
    """Make a labelled set once, the one that `SMALL` and `OPTIONS` ask for."""
    folder = FolderDestination(tmp_path_factory.mktemp("original"))
    spec = labelled_workshop.spec(n=N, shard_size=16, name="endotwin-tiny-labelled-7", **LABELLED)
    labelled_workshop.finished(spec, folder)
    return folder


@pytest.fixture(scope="module")
def expected(labelled_workshop: Workshop) -> tuple[np.ndarray, list[Label]]:
    """Return the first 16 images and their labels, from the sampler."""
    conditions = Conditions(density=Range(low=1500, high=2500))
    batch = Sampler(labelled_workshop.checkpoint).batch(ImageRange(7, 0, 16), conditions)
    return batch.images, batch.labels()


@pytest.fixture
def run(labelled_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs the command in an empty folder; its default model has no labels."""
    monkeypatch.setenv("ENDOTWIN_CHECKPOINT_DIR", str(labelled_checkpoint.parent))
    monkeypatch.setenv("ENDOTWIN_DEFAULT_MODEL", "tiny")
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_a_shard_is_what_generate_writes_for_its_range(
    original: FolderDestination, run: Run, tmp_path: Path
) -> None:
    for number, start, n in ((0, 0, 16), (1, 16, 4)):
        order = ("generate", "--seed", 7, "--start", start, "--n", n, *OPTIONS)
        assert run(*order, "-o", f"{number}.tar").exit_code == 0
        shard = original.path(f"train/shard-00000{number}.tar")
        assert shard.read_bytes() == (tmp_path / f"{number}.tar").read_bytes()


def test_a_zip_from_an_index_on(run: Run, tmp_path: Path) -> None:
    assert (
        run("set", *SMALL, *OPTIONS, "--start", 5, "--format", "zip", "--shards", "1:2", "data").exit_code
        == 0
    )
    assert run("generate", "--seed", 7, "--start", 21, "--n", 4, *OPTIONS, "-o", "part.zip").exit_code == 0
    shard = tmp_path / "data" / "train" / "shard-000001.zip"
    assert shard.read_bytes() == (tmp_path / "part.zip").read_bytes()


def test_conditions_without_labels(run: Run, tmp_path: Path) -> None:
    made = run("set", "--n", 4, "--seed", 7, "--age", 60, "--shard-size", 4, "data")
    assert made.exit_code == 0, made.output
    assert "model tiny-labelled," in made.output
    assert "conditions age 60" in made.output
    assert run("generate", "--n", 4, "--seed", 7, "--age", 60, "-o", "set.tar").exit_code == 0
    shard = tmp_path / "data" / "train" / "shard-000000.tar"
    assert shard.read_bytes() == (tmp_path / "set.tar").read_bytes()


def test_a_killed_command_goes_on(
    original: FolderDestination, labelled_checkpoint: Path, run: Run, tmp_path: Path
) -> None:
    folder = FolderDestination(tmp_path / "data")
    process = start_command(
        labelled_checkpoint, tmp_path, *SMALL, *OPTIONS, folder.path(""), ENDOTWIN_DEFAULT_MODEL="tiny"
    )
    try:
        wait_for(lambda: any(folder.list_keys("train/")) or process.poll() is not None, "the first shard")
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=PATIENCE_SECONDS)
    finally:
        process.kill()
    there = list(folder.list_keys("train/"))
    assert there
    again = run("set", *SMALL, *OPTIONS, "data")
    assert again.exit_code == 0, again.output
    assert f"{2 - len(there)} shards made, {len(there)} were there" in again.output
    assert digests(folder) == digests(original)


def test_a_set_that_grows_keeps_its_full_shards(
    original: FolderDestination, labelled_workshop: Workshop, tmp_path: Path
) -> None:
    grown, name = FolderDestination(tmp_path), "endotwin-tiny-labelled-7"
    labelled_workshop.finished(labelled_workshop.spec(n=18, shard_size=16, name=name, **LABELLED), grown)
    progress = Counting()
    labelled_workshop.finished(
        labelled_workshop.spec(n=N, shard_size=16, name=name, **LABELLED), grown, progress=progress
    )
    assert progress.there == ["train/shard-000000.tar"]
    assert digests(grown) == digests(original)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": ("borders",)}, "labels is \\['borders', 'instances', 'parameters'\\] there and"),
        ({"labels": None}, "labels is .* there and None here"),
        ({"conditions": {"density": "1500"}}, "conditions is {'density': '1500:2500'} there and"),
        ({"conditions": None}, "conditions is .* there and None here"),
    ],
)
def test_another_labelling_is_refused(
    change: dict[str, object],
    message: str,
    original: FolderDestination,
    labelled_workshop: Workshop,
    tmp_path: Path,
) -> None:
    place = FolderDestination(tmp_path / "set")
    shutil.copytree(original.path(""), place.path(""))
    before = digests(place)
    name = "endotwin-tiny-labelled-7"
    other = labelled_workshop.spec(n=N, shard_size=16, name=name, **{**LABELLED, **change})
    with pytest.raises(SetError, match=f"another set is there: {message}"):
        labelled_workshop.make(other, place, replace_wrong=True)
    assert digests(place) == before


def test_a_damaged_label_is_found_and_repaired(
    original: FolderDestination, run: Run, tmp_path: Path
) -> None:
    shutil.copytree(original.path(""), tmp_path / "data")
    shard = tmp_path / "data" / "train" / "shard-000001.tar"
    with tarfile.open(shard) as tar:
        at = next(member for member in tar if is_label_file(member.name)).offset_data
    content = bytearray(shard.read_bytes())
    content[at + 50] ^= 255
    shard.write_bytes(content)
    found = run("set", "--verify", "data")
    assert found.exit_code == 1
    assert "train/shard-000001.tar: its sha256 is" in found.output
    repaired = run("set", "--verify", "--replace-wrong", "data")
    assert repaired.exit_code == 0, repaired.output
    assert digests(FolderDestination(tmp_path / "data")) == digests(original)
    assert run("set", "--verify", "data").output.endswith("20 images are as the manifest says\n")


def test_the_estimate_counts_the_files_of_labels(
    original: FolderDestination, labelled_workshop: Workshop
) -> None:
    spec = labelled_workshop.spec(n=16, shard_size=16, **LABELLED)
    cost = estimate(labelled_workshop.maker, spec, plan_set(spec)[:1])
    size = original.path("train/shard-000000.tar").stat().st_size
    assert cost.bytes * 16 == pytest.approx(size, rel=0.05)


def test_a_dry_run_prints_the_labelling_and_writes_nothing(run: Run, tmp_path: Path) -> None:
    result = run("set", *SMALL, *OPTIONS, "--dry-run", "data")
    assert result.exit_code == 0, result.output
    assert "labels borders, instances, parameters\nconditions density 1500:2500\n" in result.output
    assert "to make: 2 shards with 20 images" in result.output
    assert list(tmp_path.iterdir()) == []


def test_the_manifest_states_the_labelling(original: FolderDestination) -> None:
    content = original.path("manifest.json").read_bytes()
    spec = Manifest.model_validate_json(content).spec
    assert spec.labelling.labels == LABELS
    assert json.loads(content)["spec"]["labels"] == list(LABELS)
    assert (
        dict(spec.labelling.given) == json.loads(content)["spec"]["conditions"] == {"density": "1500:2500"}
    )
    assert inspect_shards(spec, original, plan_set(spec)).to_make == []


@pytest.mark.usefixtures("empty_croissant_cache")
def test_mlcroissant_distinguishes_images_from_labels(
    original: FolderDestination, expected: tuple[np.ndarray, list[Label]]
) -> None:
    dataset = mlcroissant.Dataset(jsonld=str(original.path("croissant.json")))
    issues = dataset.metadata.ctx.issues
    assert (list(issues.errors), list(issues.warnings)) == ([], [])
    assert [records.id for records in dataset.metadata.record_sets] == [
        "samples",
        "borders-labels",
        "instances-labels",
    ]
    images, labels = expected
    wanted = {
        "samples": ("image", "", list(images)),
        "borders-labels": ("borders", ".borders", [label.borders for label in labels]),
        "instances-labels": ("instances", ".instances", [label.instances for label in labels]),
    }
    for records, (field, infix, pixels) in wanted.items():
        read = {
            record[f"{records}/name"].decode(): np.asarray(record[f"{records}/{field}"])
            for record in dataset.records(records)
        }
        assert sorted(read) == [f"7-{i:08d}{infix}.png" for i in range(N)]
        assert all(np.array_equal(read[f"7-{i:08d}{infix}.png"], pixels[i]) for i in range(16))


def test_the_card_says_which_labels_and_conditions(original: FolderDestination) -> None:
    text = original.path("README.md").read_text()
    assert "| labels | borders, instances, parameters |" in text
    assert "| conditions | density 1500:2500 |" in text
    assert "- `SEED-INDEX.borders.png`: one pixel wide, 255 on black." in text
    assert "- parameters: of the image, as asked for and as measured, in the JSON record." in text
    assert "soft" not in text


def test_the_snippet_of_the_card_reads_instances_whole(
    original: FolderDestination,
    expected: tuple[np.ndarray, list[Label]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(original.path(""))
    snippet = original.path("README.md").read_text().split("```python\n")[2].split("```")[0]
    line = '    numpy.asarray(Image.open(io.BytesIO(sample["instances.png"])))  # uint16'
    assert line in snippet
    collected: list[np.ndarray] = []
    collect = f"    collected.append({line.partition('  #')[0].strip()})"
    exec(snippet.replace(line, collect), {"webdataset": webdataset, "collected": collected})
    assert len(collected) == N
    for read, label in zip(collected[:16], expected[1], strict=True):
        assert read.dtype == np.uint16
        assert np.array_equal(read, label.instances)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([*SMALL, "--labels", "border", "data"], "labels must be one or more of borders, soft"),
        ([*SMALL, "--density", "2e3", "data"], "density must be a number or LOW:HIGH"),
        ([*SMALL, "--labels", "soft", "--model", "tiny", "data"], "model tiny has no labels"),
        (["--verify", "--labels", "soft", "data"], "--verify takes the set as its manifest describes it"),
        (["--verify", "--age", "60", "data"], "--verify takes the set as its manifest describes it"),
    ],
)
def test_bad_usage_is_explained(arguments: list[str], message: str, run: Run, tmp_path: Path) -> None:
    result = run("set", *arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())
    assert list(tmp_path.iterdir()) == []
