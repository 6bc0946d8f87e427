"""Several processes under torchrun: each draws its own images; gradients are averaged over all."""

from __future__ import annotations

import os

import torch
import torch.distributed as dist
from torch import Tensor


def is_first() -> bool:
    """Return whether this process reports and writes files: it is the only one, or torchrun's first."""
    return os.environ.get("RANK", "0") == "0"


def start(device: str) -> tuple[int, int, str]:
    """Join torchrun's process group, if there is one.

    Returns:
        (rank, number of processes, torch device of this process).
    """
    if "RANK" not in os.environ:
        return 0, 1, device
    if device.startswith("cuda"):
        device = f"cuda:{os.environ['LOCAL_RANK']}"
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    return dist.get_rank(), dist.get_world_size(), device


def stop() -> None:
    """Leave the process group, if there is one."""
    if dist.is_initialized():
        dist.destroy_process_group()


def average_gradients(optimiser: torch.optim.Optimizer) -> None:
    """Replace each gradient by its mean over all processes; does nothing for a single process."""
    if not dist.is_initialized():
        return
    gradients = [
        parameter.grad
        for group in optimiser.param_groups
        for parameter in group["params"]
        if parameter.grad is not None
    ]
    # All at once: one message instead of one for each of some hundred parameters.
    together = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(together)
    together /= dist.get_world_size()
    means = torch.split(together, [gradient.numel() for gradient in gradients])
    for gradient, mean in zip(gradients, means, strict=True):
        gradient.copy_(mean.view_as(gradient))


def reduce_over_processes(values: Tensor, how: dist.ReduceOp.RedOpType) -> None:
    """Replace values by their sum or maximum over all processes; does nothing for a single process."""
    if dist.is_initialized():
        dist.all_reduce(values, op=how)


def agree(value: bool, device: str) -> bool:
    """Return whether the value is true in any process, so that all of them stop at the same step."""
    flag = torch.tensor([float(value)], device=device)
    reduce_over_processes(flag, dist.ReduceOp.MAX)
    return bool(flag.item())
