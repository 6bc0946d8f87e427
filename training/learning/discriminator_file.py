"""The file of a run's discriminators: what a new run needs beside a checkpoint to go on at once.

A checkpoint holds the generator alone. Discriminators that begin anew need thousands of images before they
can teach a generator that is good already (docs/training.md). Nothing is unpickled.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from endotwin.generator.card_file import (
    CheckpointError,
    Record,
    read_card_and_tensors,
    write_card_file,
)
from endotwin.generator.checkpoint import Checkpoint
from training.learning.saved_run import SavedRun

_CARD_KEY = "endotwin_discriminators"
_OPTIMISER = "of_"
_SEPARATOR = "/"


class DiscriminatorCard(Record):
    """What a file of discriminators holds.

    Attributes:
        format: of the file.
        generator_sha256: of the checkpoint that they were written beside.
    """

    format: Literal[1] = 1
    generator_sha256: str


def write_discriminators(path: Path, recipe: dict[str, Any], checkpoint: Checkpoint) -> None:
    """Write a run's discriminators, and its reader of borders if it has one, without their optimisers.

    Args:
        path: ends in `.safetensors`; the file appears whole or not at all.
        recipe: the state of the run's recipe.
        checkpoint: of the run.

    Raises:
        CheckpointError: the path has another suffix.
    """
    tensors = {
        f"{part}{_SEPARATOR}{name}": tensor.detach().cpu().contiguous()
        for part, state in recipe.items()
        if not part.startswith(_OPTIMISER)
        for name, tensor in state.items()
    }
    card = DiscriminatorCard(generator_sha256=checkpoint.generator_sha256)
    write_card_file(path, _CARD_KEY, card, tensors)


def with_discriminators(checkpoint: Checkpoint, path: Path) -> SavedRun:
    """Return a checkpoint and the discriminators of a file as a run that another one may start from.

    Args:
        checkpoint: of the run that the discriminators are of.
        path: a file that `write_discriminators` wrote.

    Raises:
        CheckpointError: the file is none of discriminators, damaged, or belongs to another checkpoint.
    """
    foreign = "not a file of discriminators"
    card, tensors = read_card_and_tensors(path, _CARD_KEY, DiscriminatorCard, foreign)
    if card.generator_sha256 != checkpoint.generator_sha256:
        raise CheckpointError(f"{path}: the discriminators of another checkpoint than {checkpoint.path}")
    return SavedRun(checkpoint, _by_part(tensors))


def _by_part(tensors: dict[str, Tensor]) -> dict[str, Any]:
    parts: dict[str, Any] = {}
    for key, tensor in tensors.items():
        part, _, name = key.partition(_SEPARATOR)
        parts.setdefault(part, {})[name] = tensor
    return parts
