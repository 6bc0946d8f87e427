"""`endotwin-training preview`: a sheet of a checkpoint, or of a run as it stands."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import tiny_run
from made_up_images import write_blobs
from PIL import Image

from training.cli.main import main


def preview(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(
        sys, "argv", ["endotwin-training", "preview", *map(str, arguments), "--device", "cpu"]
    )
    try:
        main()
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def test_checkpoints_with_and_without_labels(
    tiny_checkpoint: Path, labelled_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heights = {}
    for path in (tiny_checkpoint, labelled_checkpoint):
        sheet = tmp_path / f"{path.stem}.png"
        assert preview(monkeypatch, path, "-o", sheet) == 0
        with Image.open(sheet) as image:
            heights[path.stem] = image.height
    assert heights == {"tiny": 2 * 256 + 2, "tiny-labelled": 4 * 256 + 3 * 2}
    assert preview(monkeypatch, tiny_checkpoint, "-o", sheet) == 1  # it is there already
    assert preview(monkeypatch, tiny_checkpoint, "-o", sheet, "--force") == 0


def test_a_run_as_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trainer = tiny_run.start("labelled", tiny_run.load(write_blobs(tmp_path / "data")), tmp_path / "runs")
    run, sheet = trainer.folder.path, tmp_path / "sheet.png"
    trainer.folder.write_text("settings.json", trainer.settings.model_dump_json())
    assert preview(monkeypatch, run, "-o", sheet) == 1
    assert f"Error: {run}: nothing was saved yet" in capsys.readouterr().err
    trainer.train(tiny_run.BATCH, tiny_run.REPORTING)
    assert preview(monkeypatch, run, "-o", sheet) == 0
    for folder in (run, tmp_path):  # an adaptation keeps its run in a folder `runs`
        assert preview(monkeypatch, folder, "-o", sheet, "--force") == 0
    with Image.open(sheet) as image:
        assert image.height == 4 * 256 + 3 * 2
    assert preview(monkeypatch, tmp_path / "data", "-o", tmp_path / "other.png") == 1
    assert "not a run folder" in capsys.readouterr().err
