"""The device that images are generated on."""

from __future__ import annotations

import torch

from endotwin.settings import SettingsError, variable


def resolve_device(wanted: str) -> torch.device:
    """Turn the setting (auto, cpu, cuda or cuda:INDEX) into a device that this machine has.

    Raises:
        SettingsError: the setting names a GPU that is not there.
    """
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if wanted == "auto":
        return torch.device("cuda:0" if gpus else "cpu")
    device = torch.device(wanted)
    if device.type == "cpu":
        return device
    index = device.index or 0
    if index >= gpus:
        found = f"{gpus} GPU(s)" if gpus else "no GPU (is there a driver? is it a CPU build of torch?)"
        raise SettingsError(
            f"{variable('device')}={wanted}, but torch sees {found}; `auto` takes what is there"
        )
    return torch.device("cuda", index)


def describe_device(device: torch.device) -> str:
    """Describe what bytes depend on of a device: `cpu AVX512`, `cuda NVIDIA …`."""
    if device.type == "cuda":
        return f"cuda {torch.cuda.get_device_name(device)}"
    return f"cpu {torch.backends.cpu.get_cpu_capability()}"
