"""A run as it was saved last, read from its folder."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

import torch

from endotwin.generator.architectures import build_generator
from endotwin.generator.card import Card, Data, Training
from endotwin.generator.checkpoint import Checkpoint
from endotwin.image_range import IMAGE_SIZE
from training.learning.run_folder import RunError, RunFolder


@dataclass(frozen=True)
class SavedRun:
    """A run as it was saved last.

    Attributes:
        checkpoint: its averaged generator.
        recipe: the state of its recipe.
    """

    checkpoint: Checkpoint
    recipe: dict[str, Any]

    @property
    def generator_sha256(self) -> str:
        """Digest of its averaged generator."""
        return self.checkpoint.generator_sha256


def read_saved_run(folder: RunFolder) -> SavedRun:
    """Read the state of a run.

    Raises:
        RunError: the folder is not that of a run, holds no state, or one of an older version.
    """
    state = _load(folder)
    checkpoint = _checkpoint(folder, state)
    if not isinstance(state.get("recipe"), dict):
        raise RunError(f"{folder.state_path}: not a state of a run of this version")
    return SavedRun(checkpoint, state["recipe"])


def checkpoint_of_run(folder: RunFolder) -> Checkpoint:
    """Return the averaged generator of a run as it was saved last, with a card that says only what it is.

    Raises:
        RunError: the folder is not that of a run, or holds no state yet.
    """
    return _checkpoint(folder, _load(folder))


def _load(folder: RunFolder) -> dict[str, Any]:
    folder.read_settings()  # a folder that is no run is said to be none, rather than one without a state
    state = folder.load_state("cpu")
    if state is None:
        raise RunError(f"{folder.path}: nothing was saved yet")
    return state


def _checkpoint(folder: RunFolder, state: dict[str, Any]) -> Checkpoint:
    settings = folder.read_settings()
    generator = build_generator(settings.architecture)
    try:
        generator.load_state_dict(state["average"])
        before_images, before_seconds = state.get("before", (0, 0.0))
        images = int(before_images) + int(state["images"])
        seconds = float(before_seconds) + float(state["seconds"])
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        raise RunError(f"{folder.state_path}: not a state of this run ({error})") from error
    card = Card(
        name=settings.name,
        description="a run as it stands",
        created=datetime.datetime.now(datetime.UTC).date().isoformat(),
        image_size=IMAGE_SIZE,
        architecture=settings.architecture,
        data=Data(
            sources=(),
            crop_size=IMAGE_SIZE,
            max_upscale=1.0,
            image_list_sha256=state["image_list"],
            split_seed=0,
            validation_share=0.0,
            terms="not stated",
        ),
        training=Training(
            recipe=settings.recipe,
            epochs=0.0,
            images_seen=images,
            seconds=seconds,
            hardware="",
            torch=torch.__version__,
            git_revision="",
            seed=settings.seed,
        ),
        fid=None,
    )
    return Checkpoint(generator.eval().requires_grad_(False), card, folder.state_path)
