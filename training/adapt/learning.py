"""The training of an adaptation: by time, with a bar of the time left, and a sheet every few minutes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from endotwin.generator.checkpoint import Checkpoint
from endotwin.generator.labelled import LabelledArchitecture
from training.learning.run_folder import RunFolder
from training.learning.settings import Precision, TrainingSettings
from training.learning.trainer import ReportIntervals, Trainer
from training.progress import show_progress

SHOW_EVERY = 180.0
"""Seconds between two sheets; what a crash loses at most."""

_IMAGES = 10_000_000  # time ends a run, not their number
_BAR = "training {percentage:3.0f}% |{bar}| {elapsed} of this session, {remaining} left{postfix}"


@dataclass(frozen=True)
class Learned:
    """How a session of training ended.

    Attributes:
        images: seen in all.
        complete: the time is over; else it was stopped.
    """

    images: int
    complete: bool


def learn(trainer: Trainer, seconds: float, show: Callable[[], None]) -> Learned:
    """Train for some seconds, or until SIGINT or SIGTERM; the state is saved.

    Args:
        trainer: the run.
        seconds: of this session, above 0.
        show: saves the state and writes what a person looks at; called at the first step, and every few
            minutes.
    """
    started = time.monotonic()
    shown = -SHOW_EVERY

    with show_progress(total=round(seconds), bar_format=_BAR) as bar:

        def each_step() -> None:
            nonlocal shown
            passed = time.monotonic() - started
            bar.set_postfix_str(f"{trainer.images:,} images seen", refresh=False)
            bar.update(min(round(passed), bar.total) - bar.n)
            if passed - shown >= SHOW_EVERY:
                show()
                shown = time.monotonic() - started

        trainer.train(
            _IMAGES,
            ReportIntervals(save=0, samples=0, score=0),
            max_seconds=seconds,
            each_step=each_step,
            quiet=True,
        )
    return Learned(trainer.images, complete=time.monotonic() - started >= seconds)


def settings_of(
    name: str, architecture: LabelledArchitecture, beginning: Checkpoint, precision: Precision
) -> TrainingSettings:
    """Return the settings of an adaptation's run."""
    return TrainingSettings(
        name=name,
        architecture=architecture,
        recipe="rendered",
        images=_IMAGES,
        start_from=beginning.generator_sha256,
        precision=precision,
    )


def fastest_precision(device: str) -> Precision:
    """Return bfloat16 on a CPU with instructions for it (a quarter more images a second), else float32."""
    # PyTorch 2.10 does not say.
    found = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    has_bfloat16 = found.get("avx512_bf16", False) or found.get("amx_bf16", False)
    return "bfloat16" if device == "cpu" and has_bfloat16 else "float32"


def begun_or(chosen: TrainingSettings, runs: Path, image_list: str) -> TrainingSettings:
    """Return the settings of a run that has begun, on another machine perhaps; else those chosen.

    Args:
        chosen: settings for a new run.
        runs: folder of the runs.
        image_list: digest of the images.
    """
    other: Precision = "float32" if chosen.precision == "bfloat16" else "bfloat16"
    for settings in (chosen, chosen.model_copy(update={"precision": other})):
        if (runs / RunFolder.name_of(settings, image_list) / "state.pt").is_file():
            return settings
    return chosen
