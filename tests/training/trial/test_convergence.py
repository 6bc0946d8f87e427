"""Training ends when nothing is gained any more, keeps the best weights, and goes on after a kill."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made_up_mosaics import VoronoiBlocks

from endotwin.segmentation.network import new_segmenter
from training.learning.run_folder import RunFolder
from training.trial import convergence
from training.trial.arms import Stage
from training.trial.batches import BorderBatch, SyntheticBatches
from training.trial.convergence import Convergence, train_until_no_gain, validation_loss
from training.trial.labelled_source import LabelledSource
from training.trial.settings import TrialSettings

pytestmark = pytest.mark.usefixtures("small_segmenters")


@pytest.fixture(scope="module")
def stage() -> Stage:
    batches = SyntheticBatches(LabelledSource("voronoi", "1", VoronoiBlocks().block), seed=0)
    made = [_two(batches.batch(step)) for step in range(2)]
    aside = [_two(batches.aside(1)[0])]
    return Stage("1", lambda step: made[step % 2], lambda count: aside[:count], lambda: 400.0)


def _two(batch: BorderBatch) -> BorderBatch:
    """Return the first two images of a batch: a network learns from them, and sixteen take longer."""
    return BorderBatch(batch.images[:2], batch.borders[:2], batch.areas[:2])


def train(
    stage: Stage,
    folder: Path,
    start: dict[str, torch.Tensor] | None = None,
    stop_at: int | None = None,
    **changes: Any,
) -> tuple[dict[str, torch.Tensor], Convergence]:
    folder.mkdir(exist_ok=True)
    settings = TrialSettings(
        **{"validate_every": 2, "validation_batches": 1, "most_steps": 6, "learning_rate": 1e-2} | changes
    )

    def progress(step: int, loss: float) -> None:
        if step == stop_at:
            raise KeyboardInterrupt

    return train_until_no_gain(
        stage,
        seed=1,
        settings=settings,
        start=start,
        folder=RunFolder(folder),
        device="cpu",
        progress=progress,
    )


def scripted(monkeypatch: pytest.MonkeyPatch, losses: list[float]) -> None:
    """Let validations give these losses, and steps take no time."""
    left: Iterator[float] = iter(losses)
    monkeypatch.setattr(convergence, "validation_loss", lambda *_: next(left))
    monkeypatch.setattr(
        convergence,
        "masked_loss",
        lambda logits, *_: logits.mean(),
    )


def test_a_segmenter_learns_and_the_best_weights_are_kept(stage: Stage, tmp_path: Path) -> None:
    weights, found = train(stage, tmp_path)
    assert (found.ended, found.steps) == ("step limit", 6)
    assert [validation.step for validation in found.validations] == [0, 2, 4, 6]
    assert found.best_loss < 0.95 * found.validations[0].loss
    assert found.best_step == min(found.validations, key=lambda validation: validation.loss).step
    segmenter = new_segmenter(0)
    segmenter.load_state_dict(weights)
    assert validation_loss(segmenter, stage.validation(1), "cpu") == pytest.approx(found.best_loss)


def test_the_rate_falls_when_nothing_is_gained_and_training_ends_at_the_lowest(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = [2.0, 1.0, 0.997, 0.999, 0.8, 0.81, 0.82]
    scripted(monkeypatch, losses)
    _, found = train(
        stage, tmp_path, validate_every=1, patience=2, drops=1, drop=0.1, least_gain=0.005, most_steps=99
    )
    # 0.997 is below 1.0, but by less than half a percent: two in a row, the rate falls; then 0.8 is a gain.
    assert (found.ended, found.steps, found.best_step) == ("no gain", 6, 4)
    rates = [validation.rate for validation in found.validations]
    assert rates == pytest.approx([1e-2] * 4 + [1e-3] * 3)
    assert [validation.loss for validation in found.validations] == losses


def test_the_best_weights_go_on_at_a_lower_rate(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted(monkeypatch, [2.0, 1.0, 3.0, 4.0, 5.0])
    settings = {"validate_every": 1, "patience": 1, "drop": 0.5, "most_steps": 99}
    one, _ = train(stage, tmp_path / "one", drops=0, **settings)
    scripted(monkeypatch, [2.0, 1.0, 3.0, 4.0, 5.0])
    other, found = train(stage, tmp_path / "other", drops=2, **settings)
    assert found.best_step == 1
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_second_stage_begins_with_the_weights_given_and_never_ends_worse(
    stage: Stage, tmp_path: Path
) -> None:
    start, first = train(stage, tmp_path / "first")
    weights, second = train(stage, tmp_path / "second", start, most_steps=2, learning_rate=1.0)
    assert second.validations[0].loss == pytest.approx(first.best_loss)
    assert second.validations[0].rate == pytest.approx(1 / 3)
    assert second.best_loss <= first.best_loss
    if second.best_step == 0:  # such a rate spoils it
        assert all(torch.equal(start[name], weights[name]) for name in start)


@pytest.mark.parametrize("stop_at", [1, 3, 4])
def test_a_stopped_training_ends_with_the_same_weights(stage: Stage, tmp_path: Path, stop_at: int) -> None:
    whole, found = train(stage, tmp_path / "whole", patience=1, drops=2)
    with pytest.raises(KeyboardInterrupt):
        train(stage, tmp_path / "stopped", stop_at=stop_at, patience=1, drops=2)
    weights, again = train(stage, tmp_path / "stopped", patience=1, drops=2)
    assert again.model_copy(update={"seconds": 0}) == found.model_copy(update={"seconds": 0})
    assert all(torch.equal(whole[name], weights[name]) for name in whole)


def test_training_follows_from_the_seed(stage: Stage, tmp_path: Path) -> None:
    one, other = (train(stage, tmp_path / name, most_steps=2)[1] for name in ("one", "other"))
    assert one.validations == other.validations
    assert np.isfinite(one.best_loss)
