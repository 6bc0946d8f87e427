"""The device and the one thread that owns it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

from service import metrics
from service.batches import Batch, make_batch
from service.labelling import PLAIN, Labelling
from service.models import Model
from service.settings import SettingsError, variable

_Result = TypeVar("_Result")


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
    """Say on what images are made in as much as bytes depend on it: `cpu AVX512`, `cuda NVIDIA …`."""
    if device.type == "cuda":
        return f"cuda {torch.cuda.get_device_name(device)}"
    return f"cpu {torch.backends.cpu.get_cpu_capability()}"


class DeviceThread:
    """Runs one batch after the other, in the order they were asked for.

    Every stream asks for one batch at a time, so the queue shares the device round robin between them.
    """

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="device")

    def call(self, function: Callable[..., _Result], *arguments: object) -> _Result:
        """Run a function in the device's thread and wait for it: for start-up, not for the event loop."""
        return self._executor.submit(function, *arguments).result()

    def generate(self, model: Model, seed: int, block: int, labelling: Labelling) -> asyncio.Future[Batch]:
        """Queue one aligned batch.

        Returns:
            A future of the whole batch. Cancelled while it is still queued, the batch is not generated.
        """
        return asyncio.get_running_loop().run_in_executor(
            self._executor, timed_batch, model, seed, block, labelling
        )

    def close(self) -> None:
        """Drop what is queued; the batch that is being generated comes to its end."""
        self._executor.shutdown(wait=False, cancel_futures=True)


def timed_batch(model: Model, seed: int, block: int, labelling: Labelling = PLAIN) -> Batch:
    """Generate one aligned batch in the calling thread and record how long it took."""
    began = time.perf_counter()
    batch = make_batch(model.sampler, seed, block, labelling)
    metrics.DEVICE_SECONDS.labels(model.name).observe(time.perf_counter() - began)
    return batch
