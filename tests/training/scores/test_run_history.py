"""The history of a run: what of a run folder is shown, and whose run it has to be."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_checkpoints import make_card

from endotwin.generator.card import Card
from endotwin.samples.grid import draw_grid
from training.learning.run_folder import RunError, RunFolder
from training.learning.settings import TrainingSettings
from training.scores.run_history import read_history


@pytest.fixture
def card() -> Card:
    """Return the card of a checkpoint that was recorded at 400 images, 8 epochs."""
    card = make_card()
    training = card.training.model_copy(update={"images_seen": 400, "epochs": 8.0})
    return card.model_copy(update={"training": training})


def make_run(runs: Path, card: Card, scored: tuple[int, ...], grids: tuple[int, ...]) -> RunFolder:
    settings = TrainingSettings(name="tiny", architecture=card.architecture)
    folder = RunFolder.of(runs, settings, card.data.image_list_sha256)
    folder.write_text("settings.json", settings.model_dump_json())
    for images in range(50, 601, 50):
        folder.append_statistics({"images": images, "epoch": images / 50, "loss": 1.0})
        if images in scored:
            folder.append_statistics({"images": images, "quick_fid": 1000 / images})
    for images in grids:
        grey = np.full((40, 128, 128), images % 251, dtype=np.uint8)
        folder.save_grid(f"{images:08d}.png", draw_grid(grey, 10))
    return folder


def test_the_first_stage_and_scored_ones_are_shown_up_to_the_checkpoint(tmp_path: Path, card: Card) -> None:
    run = make_run(tmp_path, card, scored=(200, 300, 500), grids=(100, 150, 200, 250, 300, 350, 500))
    history, pictures = read_history(run.path, card)
    assert history.run == run.path.name
    assert [(stage.images, stage.quick_fid) for stage in history.scored] == [(200, 5.0), (300, 1000 / 300)]
    assert [(s.images, s.epoch, s.quick_fid) for s in history.shown] == [
        (100, 2.0, None),
        (200, 4.0, 5.0),
        (300, 6.0, 1000 / 300),
    ]
    for stage, sheet in zip(history.shown, pictures.stages, strict=True):
        with Image.open(io.BytesIO(sheet)) as image:
            assert image.size == (10 * 130 - 2, 2 * 130 - 2)  # two rows of ten
            assert image.getpixel((0, 0)) == stage.images % 251
    assert pictures.fid is not None


def test_many_scored_stages_are_thinned_out_evenly(tmp_path: Path, card: Card) -> None:
    stages = tuple(range(50, 401, 50))
    history, _ = read_history(make_run(tmp_path, card, scored=stages, grids=stages).path, card)
    assert [stage.images for stage in history.shown] == [50, 150, 300, 400]


def test_without_scores_stages_are_shown_without(tmp_path: Path, card: Card) -> None:
    history, pictures = read_history(make_run(tmp_path, card, scored=(), grids=(100, 200)).path, card)
    assert history.scored == ()
    assert [(stage.images, stage.quick_fid) for stage in history.shown] == [(100, None), (200, None)]
    assert pictures.fid is None


def test_a_run_that_kept_nothing_yet(tmp_path: Path, card: Card) -> None:
    history, pictures = read_history(make_run(tmp_path, card, scored=(), grids=()).path, card)
    assert (history.scored, history.shown) == ((), ())
    assert (pictures.stages, pictures.fid) == ((), None)


def test_another_run_is_refused(tmp_path: Path, card: Card) -> None:
    run = make_run(tmp_path, card, scored=(200,), grids=(200,))
    other = card.model_copy(update={"data": card.data.model_copy(update={"image_list_sha256": "1" * 64})})
    with pytest.raises(RunError, match="not the run that tiny comes from"):
        read_history(run.path, other)
    with pytest.raises(RunError, match="not the run that other comes from"):
        read_history(run.path, card.model_copy(update={"name": "other"}))
    with pytest.raises(RunError, match=r"not a run folder \(it has no settings.json\)"):
        read_history(tmp_path, card)
