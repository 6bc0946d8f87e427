"""The checkpoint of a generator: its file, written and loaded."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from endotwin.generator.architectures import Generator, build_generator
from endotwin.generator.card import Card
from endotwin.generator.card_file import (
    CheckpointError,
    add_tensors,
    check_digest,
    parse_card,
    read_card_file,
    read_header,
    write_card_file,
)
from endotwin.generator.labelled import LabelledArchitecture
from endotwin.mosaic.scene import MOSAIC_VERSION

_CARD_KEY = "endotwin_card"

SEGMENTER_KEY = "endotwin_segmenter"
"""Of the card of a segmenter (`endotwin.segmentation.segmenter`), which is no checkpoint."""


@dataclass(frozen=True)
class Checkpoint:
    """A generator in evaluation mode, its card, and the file it came from."""

    generator: Generator
    card: Card
    path: Path

    @cached_property
    def generator_sha256(self) -> str:
        """Hexadecimal sha256 of what decides pixels and labels: architecture, weights, mosaic version.

        A new score in the card changes the file, and not this digest: records, sets and jobs refer to it.
        """
        digest = hashlib.sha256(self.card.architecture.model_dump_json().encode())
        if isinstance(self.card.architecture, LabelledArchitecture):
            digest.update(f"\nmosaic {MOSAIC_VERSION}".encode())
        add_tensors(digest, _tensors(self.generator))
        return digest.hexdigest()


def save_checkpoint(path: Path, generator: Generator, card: Card, *, unscored: bool = False) -> None:
    """Write a checkpoint; the file appears whole or not at all.

    Args:
        path: ends in `.safetensors`.
        generator: its weights are stored as float32.
        card: has to hold a recorded FID, unless
        unscored: it is for one's own use.

    Raises:
        CheckpointError: the card holds no FID, or the path has another suffix.
    """
    if card.fid is None and not unscored:
        raise CheckpointError(f"{path}: a checkpoint is only written with a recorded FID")
    write_card_file(path, _CARD_KEY, card, _tensors(generator))


def read_card(path: Path) -> Card:
    """Read the card of a checkpoint without loading its weights.

    Raises:
        CheckpointError: the file is missing, truncated, foreign, or its card is not valid.
    """
    return _card_of(path, read_header(path))


def _card_of(path: Path, header: dict[str, str]) -> Card:
    if SEGMENTER_KEY in header:
        raise CheckpointError(f"{path}: a segmenter, which makes no images; `endotwin segment` takes it")
    if _CARD_KEY not in header:
        raise CheckpointError(f"{path}: a safetensors file, but not one of Endotwin's: it has no card")
    return parse_card(path, header[_CARD_KEY], Card)


def load_checkpoint(path: Path, *, require_fid: bool = True) -> Checkpoint:
    """Load a checkpoint for inference.

    Args:
        path: a file that `save_checkpoint` wrote.
        require_fid: refuse a checkpoint whose card holds no recorded FID.

    Raises:
        CheckpointError: the file cannot be used, and why.
    """
    header, tensors = read_card_file(path)
    card = _card_of(path, header)
    if require_fid and card.fid is None:
        raise CheckpointError(f"{path}: its card holds no recorded FID")
    check_digest(path, _CARD_KEY, header, tensors)
    generator = build_generator(card.architecture)
    expected = generator.state_dict()
    missing = sorted(expected.keys() - tensors.keys())
    foreign = sorted(tensors.keys() - expected.keys())
    if missing or foreign:
        raise CheckpointError(
            f"{path}: its weights do not fit its card: missing {missing[:3]}, unknown {foreign[:3]}"
        )
    for name, tensor in tensors.items():
        if tensor.shape != expected[name].shape:
            raise CheckpointError(
                f"{path}: {name} has shape {tuple(tensor.shape)}, "
                f"the card's architecture needs {tuple(expected[name].shape)}"
            )
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise CheckpointError(f"{path}: {name} holds values that are not finite")
    generator.load_state_dict(tensors)
    generator.eval().requires_grad_(False)
    checkpoint = Checkpoint(generator=generator, card=card, path=path)
    # Here, in the thread that generates: computed in another one, torch would keep a second team of OpenMP
    # threads for it, and two teams compete for the cores.
    _ = checkpoint.generator_sha256
    return checkpoint


def file_sha256(path: Path) -> str:
    """Return the hexadecimal sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _tensors(generator: Generator) -> dict[str, Tensor]:
    """Return the weights as a checkpoint holds them: on the CPU, floating-point ones as float32."""
    return {
        name: tensor.detach().to("cpu", torch.float32 if tensor.is_floating_point() else None).contiguous()
        for name, tensor in generator.state_dict().items()
    }
