"""Training of a segmenter until it no longer gains on images that are set aside; a kill loses little."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict
from torch import nn

from endotwin.segmentation.network import new_segmenter, standardised
from training.learning.run_folder import RunFolder
from training.random_streams import Purpose, stream_of_step
from training.trial.arms import Stage
from training.trial.batches import BorderBatch
from training.trial.segmenter import masked_loss
from training.trial.segmenter_augmentation import augmented
from training.trial.settings import TrialSettings

_WARM_UP = 20
"""Steps over which a rate is reached."""


class Validation(BaseModel):
    """The loss on the images set aside, after so many steps, and the learning rate until then."""

    model_config = ConfigDict(frozen=True)

    step: int
    loss: float
    rate: float


class Convergence(BaseModel):
    """How the training of a segmenter went.

    Attributes:
        ended: `no gain` once no rate brought one; `step limit` if it was still gaining, for all one knows.
        steps: number of steps.
        best_step: after which the loss on the images set aside was lowest; the segmenter is that one.
        seconds: of training and validation.
        validations: all of them.
    """

    model_config = ConfigDict(frozen=True)

    ended: Literal["no gain", "step limit"]
    steps: int
    best_step: int
    seconds: float
    validations: tuple[Validation, ...]

    @property
    def best_loss(self) -> float:
        """The lowest loss on the images set aside."""
        return min(validation.loss for validation in self.validations)


def train_until_no_gain(
    stage: Stage,
    *,
    seed: int,
    settings: TrialSettings,
    start: dict[str, torch.Tensor] | None,
    folder: RunFolder,
    device: str,
    progress: Callable[[int, float], None],
) -> tuple[dict[str, torch.Tensor], Convergence]:
    """Train a segmenter and return its best weights.

    Adam on binary cross-entropy plus 1 minus soft Dice in the annotated area. Every `validate_every` steps
    the loss on the images set aside is computed, unaugmented. After `patience` of these in a row without a
    gain the best weights so far go on at a lower rate, and at the lowest rate training ends. The state is
    saved at every validation: a stopped run goes on from there and ends with the same weights.

    Args:
        stage: what is learned.
        seed: of the weights, unless `start` is given, and the augmentation.
        settings: when to stop.
        start: weights to begin with; the first rate is lower then.
        folder: of the state.
        device: torch device.
        progress: called after each step with the number of steps and the loss.
    """
    training = _Training(stage, seed, settings, start, folder, device)
    while True:
        ended = training.validate()
        if ended is not None:
            return training.best, training.convergence(ended)
        training.run(progress)


def validation_loss(segmenter: nn.Module, batches: list[BorderBatch], device: str) -> float:
    """Return the mean loss of batches as they are, without augmentation."""
    with torch.inference_mode():
        losses = [
            masked_loss(segmenter(standardised(images)), borders, areas)
            for images, borders, areas in (
                _tensors((batch.images, batch.borders, batch.areas), device) for batch in batches
            )
        ]
    return float(torch.stack(losses).mean())


class _Training:
    """The state of one training, and its two moves: to validate, and to run up to the next validation."""

    def __init__(
        self,
        stage: Stage,
        seed: int,
        settings: TrialSettings,
        start: dict[str, torch.Tensor] | None,
        folder: RunFolder,
        device: str,
    ) -> None:
        self._stage, self._seed, self._settings = stage, seed, settings
        self._folder, self._device = folder, device
        self._aside = stage.validation(settings.validation_batches)
        self._segmenter = new_segmenter(seed).to(device)
        if start is not None:
            self._segmenter.load_state_dict(start)
        self._first_rate = settings.learning_rate * (1 if start is None else settings.next_rate)
        self._step, self._drops, self._stale, self._since_drop = 0, 0, 0, 0
        self._seconds = 0.0
        self._best_step, self._best_loss, self._gain_loss = 0, float("inf"), float("inf")
        self.best = _copy(self._segmenter)
        self._validations: list[Validation] = []
        self._optimiser = self._new_optimiser()
        saved = folder.load_state(device)
        if saved is not None:
            self._restore(saved)
        self._fresh = saved is None

    @property
    def _rate(self) -> float:
        return self._first_rate * self._settings.drop**self._drops

    def validate(self) -> Literal["no gain", "step limit"] | None:
        """Validate unless the saved state has been just now; return why training ends, if it does."""
        if self._fresh:
            started = time.monotonic()
            loss = validation_loss(self._segmenter, self._aside, self._device)
            self._validations.append(Validation(step=self._step, loss=loss, rate=self._rate))
            if loss < self._best_loss:
                self._best_step, self._best_loss, self.best = self._step, loss, _copy(self._segmenter)
            gained = loss < self._gain_loss * (1 - self._settings.least_gain)
            self._stale = 0 if gained else self._stale + 1
            self._gain_loss = loss if gained else self._gain_loss
            self._seconds += time.monotonic() - started
            self._save()
        self._fresh = True
        if self._stale >= self._settings.patience:
            if self._drops == self._settings.drops:
                return "no gain"
            self._drops += 1
            self._stale = self._since_drop = 0
            self._segmenter.load_state_dict(self.best)
            self._optimiser = self._new_optimiser()
        return "step limit" if self._step >= self._settings.most_steps else None

    def run(self, progress: Callable[[int, float], None]) -> None:
        """Train up to the next validation."""
        started = time.monotonic()
        for _ in range(min(self._settings.validate_every, self._settings.most_steps - self._step)):
            rng = stream_of_step(self._seed, Purpose.TRIAL_AUGMENTATION, self._step)
            images, borders, areas = _tensors(augmented(self._stage.batch(self._step), rng), self._device)
            for group in self._optimiser.param_groups:
                group["lr"] = self._rate * min(1.0, (self._since_drop + 1) / _WARM_UP)
            loss = masked_loss(self._segmenter(standardised(images)), borders, areas)
            self._optimiser.zero_grad()
            torch.autograd.backward(loss)
            self._optimiser.step()
            self._step += 1
            self._since_drop += 1
            progress(self._step, float(loss.detach()))
        self._seconds += time.monotonic() - started

    def convergence(self, ended: Literal["no gain", "step limit"]) -> Convergence:
        """Return how it went."""
        return Convergence(
            ended=ended,
            steps=self._step,
            best_step=self._best_step,
            seconds=round(self._seconds, 1),
            validations=tuple(self._validations),
        )

    def _new_optimiser(self) -> torch.optim.Adam:
        return torch.optim.Adam(self._segmenter.parameters(), lr=self._first_rate)

    def _save(self) -> None:
        self._folder.save_state(
            {
                "counts": [self._step, self._drops, self._stale, self._since_drop, self._best_step],
                "losses": [self._best_loss, self._gain_loss, self._seconds],
                "validations": [[each.step, each.loss, each.rate] for each in self._validations],
                "segmenter": self._segmenter.state_dict(),
                "best": self.best,
                "optimiser": self._optimiser.state_dict(),
            }
        )

    def _restore(self, saved: dict[str, Any]) -> None:
        self._step, self._drops, self._stale, self._since_drop, self._best_step = saved["counts"]
        self._best_loss, self._gain_loss, self._seconds = saved["losses"]
        self._validations = [
            Validation(step=step, loss=loss, rate=rate) for step, loss, rate in saved["validations"]
        ]
        self._segmenter.load_state_dict(saved["segmenter"])
        self.best = saved["best"]
        self._optimiser.load_state_dict(saved["optimiser"])


def _copy(segmenter: nn.Module) -> dict[str, torch.Tensor]:
    return copy.deepcopy(segmenter.state_dict())


def _tensors(parts: tuple[np.ndarray, ...], device: str) -> tuple[torch.Tensor, ...]:
    return tuple(torch.from_numpy(part)[:, None].to(device, torch.float32) for part in parts)
