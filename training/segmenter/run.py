"""Train a segmenter on a labelled set until it no longer gains; a kill loses little."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import torch

from endotwin.segmentation.network import FEATURES
from training.learning.run_folder import RunFolder
from training.segmenter.labelled_set import LabelledSet
from training.segmenter.set_batches import SetBatches
from training.trial.arms import Stage
from training.trial.convergence import Convergence, train_until_no_gain
from training.trial.labelled_source import BLOCK
from training.trial.segmenter_augmentation import MOVES
from training.trial.settings import TrialSettings

METHOD = (
    f"MONAI's BasicUNet, features {FEATURES}; batches of {BLOCK} crops of 128 × 128, each standardised; "
    "binary cross-entropy plus 1 - soft Dice where borders are known; target: borders three pixels wide, "
    f"displaced as by hand; Adam; {MOVES}, LightAugmentation; an eighth of the images without cells, "
    "and an eighth in part; no real image."
)
"""How every segmenter of a set is trained; another text goes on with no older training."""

SETTINGS = TrialSettings(validate_every=100, patience=3, validation_batches=16)
"""Validation on some 256 images: on fewer, chance would decide when training ends."""


def state_folder(output: Path) -> Path:
    """Return where the state of an unfinished training lies: beside the file that it makes."""
    return output.with_name(f".{output.name}.training")


def drop_state(output: Path) -> None:
    """Remove the states of trainings whose segmenter is written."""
    shutil.rmtree(state_folder(output), ignore_errors=True)


def train_on_set(
    chosen: LabelledSet,
    folder: Path,
    *,
    seed: int,
    settings: TrialSettings,
    device: str,
    progress: Callable[[int, float], None],
) -> tuple[dict[str, torch.Tensor], Convergence]:
    """Train a segmenter, or go on with one of the same set, seed and settings.

    Args:
        chosen: what is learned.
        folder: of the states of unfinished trainings.
        seed: of weights, order and augmentation.
        settings: when to stop.
        device: torch device.
        progress: called after each step with the number of steps and the loss.

    Returns:
        The weights that were best on the validation part, and how training went.
    """
    batches = SetBatches(chosen, seed)
    run = RunFolder(folder / training_digest(chosen, seed, settings))
    run.path.mkdir(parents=True, exist_ok=True)
    stage = Stage(chosen.digest, batches.batch, batches.aside, lambda: 0.0)
    return train_until_no_gain(
        stage, seed=seed, settings=settings, start=None, folder=run, device=device, progress=progress
    )


def training_digest(chosen: LabelledSet, seed: int, settings: TrialSettings) -> str:
    """Return 16 hexadecimal digits of all that the weights follow from."""
    parts = [METHOD, settings.model_dump(), seed, chosen.digest, chosen.origin.by_hand]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
