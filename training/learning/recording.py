"""Turn a training run into a checkpoint: the averaged generator, its card, and the recorded score."""

from __future__ import annotations

import datetime
import os
import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path

import torch

from endotwin.checkpoint_files import CHECKPOINT_SUFFIX
from endotwin.generator.card import Card, Data, FidRecord, Training
from endotwin.generator.checkpoint import Checkpoint, save_checkpoint
from endotwin.image_range import IMAGE_SIZE
from training.learning.recipes.registry import RECIPES
from training.learning.trainer import Trainer
from training.scores.border_displacement import measure_labels
from training.scores.evaluation import evaluate


@dataclass(frozen=True)
class RecordedCheckpoint:
    """A checkpoint that was just written.

    Attributes:
        checkpoint: as it is in its file.
        fid: that was recorded.
    """

    checkpoint: Checkpoint
    fid: FidRecord


def record(
    trainer: Trainer, destination: Path, *, count: int, seed: int = 0, inception: Path | None = None
) -> RecordedCheckpoint:
    """Score the averaged generator of a run and write it as a checkpoint.

    Args:
        trainer: a run, wherever it stands.
        destination: folder of the checkpoint; its file is named after the run's settings.
        count: images on each side of the recorded scores.
        seed: of the generated images and of the crops.
        inception: file of the Inception weights; None searches for them.

    Raises:
        EvaluationError: the count is too small for a recorded score.
        InceptionError: the Inception weights are missing or not the known ones.
    """
    card = make_card(trainer)
    path = destination / f"{trainer.settings.name}{CHECKPOINT_SUFFIX}"
    unscored = Checkpoint(generator=trainer.average, card=card, path=path)
    fid, statistics = evaluate(
        unscored, trainer.dataset, count=count, seed=seed, device=trainer.device, inception=inception
    )
    labels = measure_labels(unscored, seed=seed, device=trainer.device)
    card = card.model_copy(update={"fid": fid, "statistics": statistics, "labels": labels})
    save_checkpoint(path, trainer.average, card)
    return RecordedCheckpoint(Checkpoint(trainer.average, card, path), fid)


def _today() -> str:
    return datetime.datetime.now(datetime.UTC).date().isoformat()


def make_card(trainer: Trainer) -> Card:
    """Describe a run as it stands as a card without scores."""
    settings, dataset = trainer.settings, trainer.dataset
    sources = ", ".join(source.name for source in dataset.sources)
    terms = sorted({f"{s.name}: {s.terms}" for s in dataset.sources})
    return Card(
        name=settings.name,
        description=(
            f"Synthetic specular-microscopy images of the corneal endothelium, {IMAGE_SIZE} × "
            f"{IMAGE_SIZE}, trained on {sources}; for research, not for diagnosis."
        ),
        created=_today(),
        image_size=IMAGE_SIZE,
        architecture=settings.architecture,
        data=Data(
            sources=dataset.sources,
            crop_size=dataset.crop_size,
            max_upscale=dataset.max_upscale,
            image_list_sha256=dataset.digest,
            split_seed=dataset.split_seed,
            validation_share=dataset.validation_share,
            terms="; ".join(terms),
        ),
        training=Training(
            recipe=settings.recipe,
            epochs=round(trainer.epochs(), 2),
            images_seen=trainer.images_in_all,
            seconds=round(trainer.before[1] + trainer.seconds, 1),
            hardware=describe_hardware(trainer.device, trainer.processes),
            torch=torch.__version__,
            git_revision=git_revision(),
            seed=settings.seed,
            start_from=settings.start_from,
            pretrained=RECIPES[settings.recipe].pretrained,
        ),
        fid=None,
    )


def describe_hardware(device: str, processes: int = 1) -> str:
    """Return the hardware of a run for a card, without host name or path."""
    if device.startswith("cuda"):
        return f"{processes} × {torch.cuda.get_device_name(device)}"
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    return f"{os.cpu_count()} cores, {model}"


def git_revision() -> str:
    """Return the revision of the code, with `+` if it was changed since, or `unknown` outside git."""
    try:
        revision = _git("rev-parse", "--short=12", "HEAD")
        changed = _git("status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return revision + ("+" if changed else "")


def _git(*arguments: str) -> str:
    folder = Path(__file__).parent
    return subprocess.run(
        ["git", *arguments], cwd=folder, capture_output=True, text=True, check=True
    ).stdout.strip()
