"""The checkpoint file: a safetensors file that carries its card in the header. Nothing is unpickled.

A second entry of the header is a digest over card and weights: an altered file is refused, not served.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from endotwin.checkpoint_files import CHECKPOINT_SUFFIX
from endotwin.files import whole_file
from endotwin.generator.architectures import Generator, build_generator
from endotwin.generator.card import Card
from endotwin.generator.labelled import LabelledArchitecture
from endotwin.mosaic.scene import MOSAIC_VERSION

_CARD_KEY = "endotwin_card"
_DIGEST_KEY = "endotwin_sha256"

SEGMENTER_KEY = "endotwin_segmenter"
"""Of the card of a segmenter (`endotwin.segmentation.segmenter`), which is no checkpoint."""


class CheckpointError(Exception):
    """A file that cannot be used as a checkpoint; the message names the file and says why."""


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
        _update(digest, _tensors(self.generator))
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
    if path.suffix != CHECKPOINT_SUFFIX:
        raise CheckpointError(f"{path}: a checkpoint's name ends in {CHECKPOINT_SUFFIX}")
    tensors = _tensors(generator)
    text = card.model_dump_json()
    metadata = {_CARD_KEY: text, _DIGEST_KEY: card_digest(text, tensors)}
    with whole_file(path) as file:
        file.write(save(tensors, metadata=metadata))


def read_card(path: Path) -> Card:
    """Read the card of a checkpoint without loading its weights.

    Raises:
        CheckpointError: the file is missing, truncated, foreign, or its card is not valid.
    """
    return _parse_card(path, _read_header(path))


def read_tensors(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Return metadata and tensors of a safetensors file; nothing is unpickled.

    Raises:
        CheckpointError: the file is missing, truncated or foreign.
    """
    with _opened(path) as file:
        return file.metadata() or {}, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


def _read_header(path: Path) -> dict[str, str]:
    with _opened(path) as file:
        return file.metadata() or {}


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    if not path.is_file():
        raise CheckpointError(f"{path}: {'not a file' if path.exists() else 'no such file'}")
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except (SafetensorError, OSError) as error:
        raise CheckpointError(_not_safetensors(path, error)) from error


def _parse_card(path: Path, metadata: dict[str, str]) -> Card:
    if SEGMENTER_KEY in metadata:
        raise CheckpointError(f"{path}: a segmenter, which makes no images; `endotwin segment` takes it")
    if _CARD_KEY not in metadata:
        raise CheckpointError(f"{path}: a safetensors file, but not one of Endotwin's: it has no card")
    try:
        return Card.model_validate_json(metadata[_CARD_KEY])
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise CheckpointError(f"{path}: its card is not valid: {where}: {first['msg']}") from error


def load_checkpoint(path: Path, *, require_fid: bool = True) -> Checkpoint:
    """Load a checkpoint for inference.

    Args:
        path: a file that `save_checkpoint` wrote.
        require_fid: refuse a checkpoint whose card holds no recorded FID.

    Raises:
        CheckpointError: the file cannot be used, and why.
    """
    metadata, tensors = read_tensors(path)
    card = _parse_card(path, metadata)
    if require_fid and card.fid is None:
        raise CheckpointError(f"{path}: its card holds no recorded FID")
    if card_digest(metadata[_CARD_KEY], tensors) != metadata.get(_DIGEST_KEY):
        raise CheckpointError(
            f"{path}: altered or damaged: its card and weights do not match the digest in its header; "
            "get the file again"
        )
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


def card_digest(card: str, tensors: dict[str, Tensor]) -> str:
    """Compute the digest of a card's text and of all tensors."""
    digest = hashlib.sha256(card.encode())
    _update(digest, tensors)
    return digest.hexdigest()


def _update(digest: hashlib._Hash, tensors: dict[str, Tensor]) -> None:
    """Add every tensor's name, dtype, shape and bytes to a digest."""
    for name, tensor in sorted(tensors.items()):
        digest.update(f"\n{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.contiguous().flatten().view(torch.uint8).numpy().data)


def _not_safetensors(path: Path, error: Exception) -> str:
    try:
        with path.open("rb") as file:
            start = file.read(4)
    except OSError as failure:
        return f"{path}: {failure.strerror}"
    if start[:2] in (b"PK", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"):
        return f"{path}: a pickle file (or an archive of one); Endotwin only reads safetensors files"
    return f"{path}: truncated or not a safetensors file ({error})"
