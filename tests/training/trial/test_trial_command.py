"""`endotwin-training trial`: a report from a command line, and errors that say what is allowed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NoReturn

import pytest
import typer
from made_up_mosaics import VoronoiBlocks, write_annotated, write_counted
from typer.testing import CliRunner, Result

from endotwin.image_reading import DataError
from training.cli.options import UsageError
from training.trial.command import trial_command
from training.trial.labelled_source import LabelledSource
from training.trial.settings import TrialSettings

pytestmark = pytest.mark.usefixtures("small_segmenters", "no_figures")

TINY = TrialSettings(validate_every=1, most_steps=1, validation_batches=1)


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
    """Replace checkpoints by made-up labelled images, and train for a step."""
    made_up = VoronoiBlocks()
    monkeypatch.setattr(
        "training.trial.labelled_source.checkpoint_source",
        lambda path, device, name: LabelledSource(name, str(path), made_up.block),
    )
    monkeypatch.setattr("training.trial.command.QUICK", TINY)
    monkeypatch.setattr("training.trial.command.QUICK_IMAGES", 2)
    return made_up


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sources")
    write_annotated(folder / "made-up", range(4))
    write_annotated(folder / "other", range(10, 11))
    write_counted(folder / "counted", range(20, 23), 100, 120)
    file = folder / "sources.toml"
    file.write_text('[[source]]\npath = "made-up"\n\n[[source]]\npath = "gone"\n')
    return file


def test_a_report_of_every_arm_is_printed_and_written(sources: Path, tmp_path: Path) -> None:
    folder = sources.parent
    result = run(
        *("--sources", str(sources), "--test", str(folder / "other"), "--test", str(folder / "absent")),
        *("--test", str(folder / "counted"), "--synthetic", "any.safetensors"),
        *("--seeds", "1", "--quick", "-o", str(tmp_path / "out")),
    )
    assert result.exit_code == 0
    assert "gone: skipped, " in result.output
    assert "absent: skipped, " in result.output
    assert "made-up: 3 annotated images to train on\n" in result.output
    assert re.search(r"other: 1 images with \d+ cells to score on\n", result.output)
    assert re.search(r"counted: 2 images with \d+ cells", result.output)  # of three
    assert (tmp_path / "out" / "trial.md").read_text() in result.output
    for arm in ("real (3)", "synthetic any", "synthetic any, then real (3)"):
        assert f"| counted | {arm} | 1 |" in result.output
    assert "| counted | synthetic any | real (3) |" in result.output


def test_arms_are_compared_with_the_one_that_is_named(sources: Path, tmp_path: Path) -> None:
    options = (
        *("--sources", str(sources), "--synthetic", "one=a.safetensors", "--synthetic", "b.safetensors"),
        *("--arms", "synthetic", "--seeds", "1", "--quick", "-o", str(tmp_path)),
    )
    assert "| made-up | synthetic b | synthetic one |" in run(*options).output
    other = run(*options, "--against", "synthetic b", "--report-only").output
    assert "| made-up | synthetic one | synthetic b |" in other
    assert "| made-up | synthetic b | synthetic one |" not in other
    with pytest.raises(UsageError, match="--against: no arm 'real'; there are synthetic one; synthetic b"):
        run(*options, "--against", "real")


def test_a_team_without_annotated_images_can_score_on_its_own(sources: Path, tmp_path: Path) -> None:
    result = run(
        *("--test", str(sources.parent / "counted"), "--synthetic", "mine.safetensors"),
        *("--arms", "real,synthetic", "--seeds", "1", "--quick", "-o", str(tmp_path)),
    )
    assert "Arms: synthetic mine\n" in result.output
    assert "| counted | synthetic mine | 1 |" in result.output


def test_a_file_of_sources_is_scored_on_what_it_holds_out(sources: Path, tmp_path: Path) -> None:
    domain = tmp_path / "domain.toml"
    domain.write_text(f'validation_share = 0.5\n[[source]]\npath = "{sources.parent / "made-up"}"\n')
    result = run(
        *("--test", str(domain), "--arms", "own", "--seeds", "1", "--quick", "-o", str(tmp_path / "out"))
    )
    assert "made-up: 2 images with " in result.output
    assert "Arms: own made-up (2)\n" in result.output


def test_the_sources_may_lie_in_another_folder(sources: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere.toml"
    moved.write_text(sources.read_text())
    options = ("--sources", str(moved), "--arms", "real", "--report-only")
    with pytest.raises(DataError, match="no source is there"):
        run(*options, "-o", str(tmp_path / "out"))
    result = run(*options, "-o", str(tmp_path / "out"), "--data", str(sources.parent))
    assert "Nothing is done in" in result.output


def test_counts_of_annotated_images_make_a_curve(sources: Path, tmp_path: Path) -> None:
    options = ("--sources", str(sources), "--synthetic", "a.safetensors", "--counts", "0,1,2,9")
    result = run(*options, "--report-only", "-o", str(tmp_path))
    assert (
        "Arms: real (1); real (2); real (3); synthetic a; synthetic a, then real (1); "
        "synthetic a, then real (2); synthetic a, then real (3)\n"
    ) in result.output


def test_ctrl_c_says_how_to_go_on(
    sources: Path, tmp_path: Path, blocks: VoronoiBlocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(index: int) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(blocks, "block", stop)
    result = run(
        *("--sources", str(sources), "--synthetic", "a.safetensors", "--arms", "synthetic"),
        *("-o", str(tmp_path / "out")),
    )
    assert result.exit_code == 130
    assert "the same command goes on" in result.output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--arms", "real,imagined"], "'imagined'; there are real, ceiling, own, synthetic, "),
        (["--arms", "synthetic"], "--synthetic: give a labelled checkpoint or a folder"),
        (["--arms", "own"], "--arms own: nothing to train on"),
        (["--arms", "real", "--counts", "1,few"], "--counts: whole numbers separated by commas"),
        (["--arms", "real", "--device", "tpu"], "'tpu' is not auto, cpu, cuda or cuda:N"),
        (
            ["--synthetic", "a.safetensors", "--synthetic", "x/a.safetensors"],
            "two are named a; write NAME=",
        ),
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


def test_without_a_test_set_nothing_can_be_scored(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no test set: give --sources or --test"):
        run("--arms", "real", "-o", str(tmp_path))
