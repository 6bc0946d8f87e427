"""The devices that images are generated on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch

from endotwin.image_range import BATCH
from endotwin.settings import SettingsError, variable


def resolve_device(wanted: str, option: str | None = None) -> torch.device:
    """Return the device of this machine that a setting names; auto takes a GPU if there is one.

    Args:
        wanted: auto, cpu, cuda or cuda:INDEX; of the several that the setting may name, the first.
        option: the option that it comes from, for messages; default: the environment variable.

    Raises:
        SettingsError: it is not one of these names, or names a GPU that is not there.
    """
    if option is None:
        return _resolve(wanted.partition(",")[0], variable("device"))
    return _resolve(wanted, option)


def resolve_devices(wanted: str) -> list[torch.device]:
    """Return all devices that the setting names; see `resolve_device`.

    Raises:
        SettingsError: one is not there, or they are of different kinds: bytes depend on the kind.
    """
    names = wanted.split(",")
    devices = [_resolve(name, variable("device")) for name in names]
    kinds = sorted({describe_device(device) for device in devices}) if len(devices) > 1 else []
    if len(kinds) > 1:
        raise SettingsError(
            f"{variable('device')}={wanted}: these are of different kinds, {' and '.join(kinds)}, and the "
            "bytes of an image depend on it"
        )
    return devices


def _resolve(wanted: str, option: str) -> torch.device:
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


class DeviceProblem(NamedTuple):
    """What is wrong with a device.

    Attributes:
        text: in a few words.
        lasting: whether it takes a new process: CUDA answers nothing more after most of its errors.
    """

    text: str
    lasting: bool


def device_problem(error: BaseException) -> DeviceProblem | None:
    """Return what an error says about the device: out of memory, or gone; None if it says nothing."""
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return DeviceProblem(f"out of memory: {line}", lasting=False)
    if not isinstance(error, RuntimeError):
        return None
    if re.search(r"can't allocate memory|not enough memory|out of memory", line):
        return DeviceProblem(f"out of memory: {line}", lasting=False)
    if isinstance(error, torch.AcceleratorError) or re.search(r"\b(CUDA|cuDNN|CUBLAS_\w+)\b", line):
        return DeviceProblem(f"the device failed: {line}", lasting=True)
    return None


def release_memory() -> None:
    """Hand memory that is not in use back to the GPUs, if this process uses any."""
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.empty_cache()


@contextmanager
def whole_images_per_thread(limit: int | None = None) -> Iterator[None]:
    """Let torch use a number of CPU threads that divides a batch into whole images, while the block runs.

    It is the largest such number up to what torch would use, and up to the limit.

    Group normalisation adds up an image that falls to two threads in another order: with three threads, or
    six, an image would depend on its place in the batch, and its bytes on the number of cores.
    """
    threads = torch.get_num_threads()
    allowed = min(threads, BATCH, limit or BATCH)
    most = max(count for count in range(1, allowed + 1) if BATCH % count == 0)
    if most != threads:
        torch.set_num_threads(most)
    try:
        yield
    finally:
        if most != threads:
            torch.set_num_threads(threads)
