"""`endotwin-training trial`: a table from a command line, and errors that say what is allowed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NoReturn

import pytest
import typer
from made_up_mosaics import VoronoiBlocks, write_annotated
from typer.testing import CliRunner, Result

from training.cli.options import UsageError
from training.data.read import DataError
from training.learning.run_folder import RunError
from training.trial.command import trial_command
from training.trial.labelled_source import LabelledSource


def run(*arguments: str) -> Result:
    """Run the command in this process; whatever it raises comes through, as it does in `main`."""
    app = typer.Typer()
    app.command()(trial_command)
    result = CliRunner().invoke(app, [*arguments, "--device", "cpu"])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture(autouse=True)
def blocks(monkeypatch: pytest.MonkeyPatch) -> VoronoiBlocks:
    """Replace the checkpoint by made-up labelled images."""
    made_up = VoronoiBlocks()
    monkeypatch.setattr(
        "training.trial.labelled_source.checkpoint_source",
        lambda path, device: LabelledSource("made-up", made_up.block),
    )
    return made_up


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sources")
    write_annotated(folder / "made-up", range(4))
    write_annotated(folder / "other", range(10, 11))
    file = folder / "sources.toml"
    file.write_text('[[source]]\npath = "made-up"\n')
    return file


def test_a_table_of_every_arm_is_printed_and_written(sources: Path, tmp_path: Path) -> None:
    result = run(
        *("--sources", str(sources), "--foreign", str(sources.parent / "other")),
        *("--checkpoint", "any", "--seeds", "1", "--steps", "2", "-o", str(tmp_path / "out")),
    )
    assert result.exit_code == 0
    assert "made-up: 3 annotated images to train on\n" in result.output
    assert re.search(r"other: 1 annotated images to score on, resized by [\d.]+ to the same", result.output)
    table = (tmp_path / "out" / "trial.md").read_text()
    assert table in result.output
    rows = [line.split(" | ") for line in table.splitlines()[2:]]
    arms = ["real", "synthetic (made-up)", "synthetic-then-real (made-up)"]
    assert [row[1] for row in rows[:3]] == arms


def test_the_sources_may_lie_in_another_folder(sources: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere.toml"
    moved.write_text(sources.read_text())
    options = ("--sources", str(moved), "--arms", "real", "--seeds", "1", "--steps", "2")
    with pytest.raises(DataError, match="made-up"):
        run(*options, "-o", str(tmp_path / "out"))
    result = run(*options, "-o", str(tmp_path / "out"), "--data", str(sources.parent))
    assert result.exit_code == 0
    assert (tmp_path / "out" / "results" / "real-seed0.json").is_file()


def test_training_on_few_annotated_images(sources: Path, tmp_path: Path) -> None:
    options = ("--sources", str(sources), "--arms", "real", "--seeds", "1", "--steps", "2")
    result = run(*options, "--annotated", "2", "-o", str(tmp_path))
    assert "made-up: 2 annotated images to train on\n" in result.output
    with pytest.raises(RunError, match="another data_digest"):
        run(*options, "--annotated", "1", "-o", str(tmp_path))


def test_ctrl_c_says_how_to_resume(
    sources: Path, tmp_path: Path, blocks: VoronoiBlocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(index: int) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(blocks, "block", stop)
    options = ("--sources", str(sources), "--checkpoint", "any", "--arms", "synthetic")
    result = run(*options, "-o", str(tmp_path / "out"))
    assert result.exit_code == 130
    assert "the same command resumes" in result.output
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["setup.json"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--arms", "real,imagined"], "'imagined'; there are real, ceiling, synthetic, "),
        (["--arms", "synthetic"], "give a labelled generator; only --arms real,ceiling need none"),
        (["--arms", "real", "--steps", "1"], "--steps: .*greater than or equal to 2"),
        (["--arms", "real", "--learning-rate", "0"], "--learning-rate: .*greater than 0"),
        (["--arms", "real", "--device", "tpu"], "'tpu' is not auto, cpu, cuda or cuda:N"),
    ],
)
def test_options_that_cannot_be_are_refused(
    sources: Path, tmp_path: Path, options: list[str], message: str
) -> None:
    app = typer.Typer()
    app.command()(trial_command)
    arguments = ["--sources", str(sources), "-o", str(tmp_path / "out"), *options]
    with pytest.raises(UsageError, match=message):
        CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert not (tmp_path / "out").exists()
