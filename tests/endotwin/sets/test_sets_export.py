"""`endotwin set export`: the folders that `endotwin generate --layout` makes, from finished sets."""

from __future__ import annotations

import hashlib
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from set_tools import Open, Workshop
from typer.testing import CliRunner, Result

from endotwin.cli.main import app
from endotwin.sets.storage.folder import FolderDestination

Run = Callable[..., Result]
N = 20
LABELS = ("borders", "instances", "guttae", "parameters")
OPTIONS = ("--labels", ",".join(LABELS), "--density", "1500:2500")


@pytest.fixture(scope="module")
def original(labelled_workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a labelled set of two shards, from index 5 on."""
    folder = tmp_path_factory.mktemp("original") / "set"
    spec = labelled_workshop.spec(
        n=N, start=5, shard_size=12, labels=LABELS, conditions={"density": "1500:2500"}
    )
    labelled_workshop.finished(spec, FolderDestination(folder))
    return folder


@pytest.fixture
def run(labelled_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs the command line in an empty folder."""
    monkeypatch.setenv("ENDOTWIN_CHECKPOINT_DIR", str(labelled_checkpoint.parent))
    monkeypatch.setenv("ENDOTWIN_DEFAULT_MODEL", "tiny")
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize(
    ("layout", "name", "more"),
    [
        pytest.param("masks", "plain", (), marks=pytest.mark.long),
        ("masks", "plain", ("--labels", "guttae", "--validation-every", 10)),
        ("nnunet", "Dataset501_Cells", ("--labels", "borders,guttae")),
        ("imagefolder", "hub", ("--validation-every", 10)),
        ("coco", "coco", ("--labels", "guttae,parameters", "--validation-every", 10)),
        pytest.param("imagefolder", "hub", ("--labels", "instances"), marks=pytest.mark.long),
    ],
)
def test_it_is_the_folder_that_generate_makes(
    layout: str, name: str, more: tuple[object, ...], original: Path, run: Run, tmp_path: Path
) -> None:
    exported = run("set", "export", original, f"exported/{name}", "--layout", layout, *more)
    assert exported.exit_code == 0, exported.output
    assert f"{N} images of {original} in exported/{name}, as {layout}" in exported.output
    order = ("generate", "--n", N, "--seed", 7, "--start", 5, "--density", "1500:2500")
    made = run(*order, "--layout", layout, *more, "-o", f"made/{name}")
    assert made.exit_code == 0, made.output
    assert contents(tmp_path / "exported") == contents(tmp_path / "made")
    assert len(contents(tmp_path / "exported")) > N


def test_from_zip_shards(labelled_workshop: Workshop, run: Run, tmp_path: Path) -> None:
    for kind in ("tar", "zip"):
        spec = labelled_workshop.spec(n=20, shard_size=16, format=kind, labels=("borders",))
        labelled_workshop.finished(spec, FolderDestination(tmp_path / kind))
        exported = run("set", "export", kind, f"from-{kind}", "--layout", "masks")
        assert exported.exit_code == 0, exported.output
    assert contents(tmp_path / "from-zip") == contents(tmp_path / "from-tar")


def test_from_s3(
    labelled_workshop: Workshop, open_place: Open, bucket: str, run: Run, tmp_path: Path
) -> None:
    spec = labelled_workshop.spec(n=20, shard_size=16, labels=("borders",))
    labelled_workshop.finished(spec, open_place(f"s3://{bucket}/set"))
    labelled_workshop.finished(spec, FolderDestination(tmp_path / "set"))
    for source, output in ((f"s3://{bucket}/set", "a"), ("set", "b")):
        exported = run("set", "export", source, output, "--layout", "masks")
        assert exported.exit_code == 0, exported.output
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def refused(result: Result, code: int, message: str, folder: Path) -> None:
    """Check that the command has failed with a message and left nothing in a folder."""
    assert result.exit_code == code, result.output
    assert message in " ".join(result.output.split())
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: path.write_bytes(path.read_bytes()[:-1] + b"x"),
        lambda path: path.unlink(),
    ],
)
@pytest.mark.parametrize("key", ["train/shard-000001.tar", "croissant.json"])
def test_a_file_that_is_not_that_of_the_manifest_is_named_and_nothing_is_written(
    key: str, damage: Callable[[Path], None], original: Path, run: Run, tmp_path: Path
) -> None:
    (tmp_path / "work").mkdir()
    shutil.copytree(original, tmp_path / "set")
    damage(tmp_path / "set" / key)
    result = run("set", "export", "set", "work/plain", "--layout", "masks")
    refused(result, 1, f"{key}: it", tmp_path / "work")
    assert "endotwin set --verify" in result.output


def test_a_set_without_manifest_is_not_finished(original: Path, run: Run, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    shutil.copytree(original, tmp_path / "set")
    (tmp_path / "set" / "manifest.json").unlink()
    result = run("set", "export", "set", "work/plain", "--layout", "masks")
    refused(result, 1, "no set is there, or one that is not finished yet", tmp_path / "work")


def test_a_set_without_labels_has_no_layout(workshop: Workshop, run: Run, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    workshop.finished(workshop.spec(n=20), FolderDestination(tmp_path / "set"))
    with tarfile.open(tmp_path / "set" / "train" / "shard-000000.tar") as shard:
        assert len(shard.getnames()) == 40
    result = run("set", "export", "set", "work/Dataset501_Cells", "--layout", "nnunet")
    refused(result, 2, "layout nnunet holds labels, and this set has none", tmp_path / "work")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["work/plain"], 2, "Missing option '--layout'"),
        (
            ["work/plain", "--layout", "voc"],
            2,
            "'voc' is not one of nnunet, masks, imagefolder, coco, yolo-seg, cellpose",
        ),
        (["work/plain", "--layout", "yolo-seg"], 2, "yolo-seg takes validation images"),
        (["work/plain", "--layout", "nnunet"], 1, "a folder name such as Dataset501_Endotwin"),
        (["work/plain", "--layout", "masks", "--labels", "soft"], 2, "is to hold soft, but this set has"),
        (["work/plain", "--layout", "masks", "--labels", "cells"], 2, "no place for cells"),
        (["work/plain", "--layout", "masks", "--validation-every", "50"], 2, "leave some of the images"),
    ],
)
def test_bad_usage_is_explained(
    arguments: list[str], code: int, message: str, original: Path, run: Run, tmp_path: Path
) -> None:
    (tmp_path / "work").mkdir()
    refused(run("set", "export", original, *arguments), code, message, tmp_path / "work")


def test_a_folder_that_is_there_stays(original: Path, run: Run, tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain" / "precious.txt").write_text("years of work")
    result = run("set", "export", original, "plain", "--layout", "masks")
    assert result.exit_code == 1
    assert "never replaced" in result.output
    assert contents(tmp_path / "plain").keys() == {"precious.txt"}
