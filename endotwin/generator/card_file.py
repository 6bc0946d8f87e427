"""A safetensors file with a card in its header: what checkpoints and segmenters have in common.

Nothing is unpickled. A second entry of the header is a digest over card and weights: an altered file is
refused, not used.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from endotwin.checkpoint_files import CHECKPOINT_SUFFIX
from endotwin.files import whole_file
from endotwin.first_fault import first_fault

_DIGEST_KEY = "endotwin_sha256"


class CheckpointError(Exception):
    """A file that cannot be used as a checkpoint; the message names the file and says why."""


class Record(BaseModel):
    """What cards are made of."""

    model_config = ConfigDict(extra="forbid", frozen=True)


_Card = TypeVar("_Card", bound=Record)


def write_card_file(path: Path, key: str, card: Record, tensors: dict[str, Tensor]) -> None:
    """Write card and weights; the file appears whole or not at all.

    Args:
        path: ends in `.safetensors`.
        key: of the card in the header.
        card: becomes JSON.
        tensors: on the CPU.

    Raises:
        CheckpointError: the path has another suffix.
    """
    if path.suffix != CHECKPOINT_SUFFIX:
        raise CheckpointError(f"{path}: give a name that ends in {CHECKPOINT_SUFFIX}")
    text = card.model_dump_json()
    with whole_file(path) as file:
        file.write(save(tensors, metadata={key: text, _DIGEST_KEY: card_digest(text, tensors)}))


def read_header(path: Path) -> dict[str, str]:
    """Return the texts in the header of a file, without reading its weights.

    Raises:
        CheckpointError: the file is missing, truncated or foreign.
    """
    with _opened(path) as file:
        return file.metadata() or {}


def read_card_file(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Return the texts in the header of a file, and its weights.

    Raises:
        CheckpointError: the file is missing, truncated or foreign.
    """
    with _opened(path) as file:
        return file.metadata() or {}, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


def read_card_and_tensors(
    path: Path, key: str, kind: type[_Card], foreign: str
) -> tuple[_Card, dict[str, Tensor]]:
    """Return the card and the weights of a file of one kind.

    Args:
        path: of the file.
        key: of the card in the header.
        kind: of the card.
        foreign: what the file is if it has no such card, for the message.

    Raises:
        CheckpointError: the file is missing, truncated, foreign, altered, or its card is not valid.
    """
    header, tensors = read_card_file(path)
    if key not in header:
        raise CheckpointError(f"{path}: {foreign}")
    card = parse_card(path, header[key], kind)
    check_digest(path, key, header, tensors)
    return card, tensors


def parse_card(path: Path, text: str, kind: type[_Card]) -> _Card:
    """Read the text of a card.

    Raises:
        CheckpointError: it is not valid.
    """
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        raise CheckpointError(f"{path}: its card is not valid: {first_fault(error)}") from error


def check_digest(path: Path, key: str, header: dict[str, str], tensors: dict[str, Tensor]) -> None:
    """Check that card and weights are those that were written.

    Args:
        path: for the message.
        key: of the card in the header.
        header: of the file.
        tensors: of the file.

    Raises:
        CheckpointError: they are not.
    """
    if card_digest(header[key], tensors) != header.get(_DIGEST_KEY):
        raise CheckpointError(
            f"{path}: altered or damaged: its card and weights do not match the digest in its header; "
            "get the file again"
        )


def card_digest(card: str, tensors: dict[str, Tensor]) -> str:
    """Compute the digest of a card's text and of all tensors."""
    digest = hashlib.sha256(card.encode())
    add_tensors(digest, tensors)
    return digest.hexdigest()


def add_tensors(digest: hashlib._Hash, tensors: dict[str, Tensor]) -> None:
    """Add every tensor's name, dtype, shape and bytes to a digest."""
    for name, tensor in sorted(tensors.items()):
        digest.update(f"\n{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.contiguous().flatten().view(torch.uint8).numpy().data)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    if not path.is_file():
        raise CheckpointError(f"{path}: {'not a file' if path.exists() else 'no such file'}")
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except (SafetensorError, OSError) as error:
        raise CheckpointError(_not_safetensors(path, error)) from error


def _not_safetensors(path: Path, error: Exception) -> str:
    try:
        with path.open("rb") as file:
            start = file.read(4)
    except OSError as failure:
        return f"{path}: {failure.strerror}"
    if start[:2] in (b"PK", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"):
        return f"{path}: a pickle file (or an archive of one); Endotwin only reads safetensors files"
    return f"{path}: truncated or not a safetensors file ({error})"
