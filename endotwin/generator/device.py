"""The device that images are generated on."""

from __future__ import annotations

import re

import torch

from endotwin.settings import SettingsError, variable


def resolve_device(wanted: str, option: str | None = None) -> torch.device:
    """Return the device of this machine that a setting names; auto takes a GPU if there is one.

    Args:
        wanted: auto, cpu, cuda or cuda:INDEX.
        option: the option that it comes from, for messages; default: the environment variable.

    Raises:
        SettingsError: it is not one of these names, or names a GPU that is not there.
    """
    option = option or variable("device")
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", wanted):
        raise SettingsError(f"{option}: {wanted!r} is not auto, cpu, cuda or cuda:N")
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if wanted == "cpu" or (wanted == "auto" and not gpus):
        return torch.device("cpu")
    index = int(wanted.partition(":")[2] or 0)
    if index >= gpus:
        found = f"{gpus} GPU(s)" if gpus else "no GPU (is there a driver? is it a CPU build of torch?)"
        raise SettingsError(f"{option}={wanted}, but torch sees {found}; `auto` takes what is there")
    return torch.device("cuda", index)


def describe_device(device: torch.device | str) -> str:
    """Return what the bytes of an image depend on: `cpu AVX512`, `cuda NVIDIA H100`."""
    if torch.device(device).type == "cuda":
        return f"cuda {torch.cuda.get_device_name(device)}"
    return f"cpu {torch.backends.cpu.get_cpu_capability()}"
