"""What the commands of `endotwin-training` share: options that are checked, and the error that says so."""

from __future__ import annotations

import re
from pathlib import Path

import torch


class UsageError(Exception):
    """Options that do not go together."""


def chosen_device(device: str) -> str:
    """Return the torch device that `--device` names; `auto` takes a GPU if there is one.

    Raises:
        UsageError: it is no device, or not one of this machine.
    """
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cpu":
        return device
    if not re.fullmatch(r"cuda(:\d+)?", device):
        raise UsageError(f"--device: {device!r} is not auto, cpu, cuda or cuda:N")
    found = torch.cuda.device_count()
    if int(device.partition(":")[2] or 0) >= found:
        raise UsageError(f"--device: {device}: torch sees {found or 'no'} CUDA device(s) here")
    return device


def require_one_place(data: Path | None, sources: Path | None) -> None:
    """Check that images are given in one of the two ways.

    Raises:
        UsageError: they are given in both, or not at all.
    """
    if (data is None) == (sources is None):
        raise UsageError("give the images either as --data FOLDER or as --sources FILE")
