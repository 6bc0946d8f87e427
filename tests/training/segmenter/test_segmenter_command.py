"""`endotwin-training segmenter`: from a set to a file that `endotwin segment` takes, over a stop."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
import torch
from made_up_sets import write_shards

from endotwin.segmentation.segmenter import load_segmenter
from training.cli.main import main
from training.segmenter import run, scores
from training.trial.settings import TrialSettings

pytestmark = pytest.mark.usefixtures("small_segmenters")


@pytest.fixture(scope="module")
def made_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_shards(tmp_path_factory.mktemp("segmenter") / "set", range(32))


def ended(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["endotwin-training", "segmenter", *map(str, arguments)])
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def test_trained_stopped_and_gone_on_with(
    made_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        run, "SETTINGS", TrialSettings(validate_every=1, validation_batches=1, learning_rate=1e-2)
    )
    monkeypatch.setattr(scores, "_GENERATED", 1)
    options = ["--on", made_set, "--device", "cpu", "--steps", "2"]
    assert ended(monkeypatch, *options, "-o", tmp_path / "whole.safetensors") == 0

    train = run.train_on_set

    def stopped(*arguments: object, **options: object) -> object:
        def progress(step: int, loss: float) -> None:
            if step == 1:
                raise KeyboardInterrupt

        return train(*arguments, **{**options, "progress": progress})  # type: ignore[arg-type]

    path = tmp_path / "cut.safetensors"
    monkeypatch.setattr(run, "train_on_set", stopped)
    assert ended(monkeypatch, *options, "-o", path) == 130
    assert not path.exists()
    assert "the same command goes on" in capsys.readouterr().err
    monkeypatch.setattr(run, "train_on_set", train)
    assert ended(monkeypatch, *options, "-o", path) == 0
    assert not run.state_folder(path).exists()

    one, other = load_segmenter(tmp_path / "whole.safetensors"), load_segmenter(path)
    weights = [each.network.state_dict() for each in (one, other)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    card = other.card
    learned = card.training_set
    assert (learned.name, learned.images, learned.validation) == ("set", 24, 8)
    assert learned.generator_sha256 == "ab" * 32
    assert learned.conditions == {"expert_hand": "true"}
    assert learned.cell_side == pytest.approx(18.6, rel=0.1)
    assert card.learning.steps == 2
    assert "Nobody has measured" in card.notice()[1]


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--on", "{tmp}/none", "-o", "{tmp}/a.safetensors"], 1, "none: no such file or folder"),
        (["--on", "{set}", "-o", "{tmp}/a.pt"], 2, "--output: .*ends in .safetensors"),
        (["--on", "{set}", "-o", "{tmp}/there.safetensors"], 2, "--output: .*exists; --force replaces it"),
        (["--on", "{set}", "-o", "{tmp}/a.safetensors", "--steps", "0"], 2, "--steps"),
    ],
)
def test_errors_are_one_line(
    options: list[str],
    code: int,
    message: str,
    made_set: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "there.safetensors").write_bytes(b"")
    assert ended(monkeypatch, *(each.format(tmp=tmp_path, set=made_set) for each in options)) == code
    lines = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("Reading")]
    assert len(lines) == 1
    assert lines[0].startswith("Error: ")
    assert re.search(message, lines[0])
