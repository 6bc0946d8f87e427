"""One of several processes of a gloo group on loopback; runs every task in turn and prints the results."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tiny_run
import torch
from waiting import PATIENCE_SECONDS

from training.learning import distributed
from training.learning.trainer import TrainingError

ROOT = Path(__file__).resolve().parents[2]
PROCESSES = 2
UNTIL = 6 * tiny_run.BATCH


def gradients(_: Path) -> list[float]:
    """Return the averaged gradient of a parameter whose gradients differ; another one has none."""
    rank, _, _ = distributed.start("cpu")
    used, unused = torch.nn.Parameter(torch.zeros(3)), torch.nn.Parameter(torch.zeros(2))
    used.grad = torch.tensor([1.0, 2.0, 3.0]) * (1 + 2 * rank)
    distributed.average_gradients(torch.optim.SGD([used, unused], lr=0.1))
    assert unused.grad is None
    return [float(value) for value in used.grad]


def agreement(_: Path) -> list[bool]:
    """Return what is agreed if one process asks, what if none does, and whether this is the first."""
    rank, _, _ = distributed.start("cpu")
    agreed = distributed.agree(rank == 1, "cpu"), distributed.agree(False, "cpu")
    return [*agreed, distributed.is_first()]


def unshareable_batch(folder: Path) -> str:
    """Return the error of a run whose batch cannot be shared."""
    try:
        tiny_run.start("dcgan", tiny_run.load(folder / "blobs"), folder / "unshared", batch=3)
    except TrainingError as error:
        return str(error)
    return ""


def run(folder: Path) -> str:
    """Train a run; return the digest of the weights."""
    trainer = tiny_run.start("dcgan", tiny_run.load(folder / "blobs"), folder / "runs")
    trainer.train(UNTIL, tiny_run.REPORTING)
    return tiny_run.weights_digest(trainer)


TASKS: tuple[Callable[[Path], Any], ...] = (gradients, agreement, unshareable_batch, run)


def results_by_task(folder: Path) -> dict[str, list[Any]]:
    """Run all tasks in two processes; return their results, first those of the first process."""
    ports = [str(_free_port()) for _ in TASKS]  # one each, since a group leaves its port in its own time
    members = []
    for rank in range(PROCESSES):
        variables = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(PROCESSES)}
        variables |= {"MASTER_ADDR": "127.0.0.1", "GLOO_SOCKET_IFNAME": "lo"}
        variables |= {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        command = [sys.executable, __file__, str(folder), *ports]
        members.append(subprocess.Popen(command, env=os.environ | variables, stdout=subprocess.PIPE))
    try:
        found = [json.loads(member.communicate(timeout=PATIENCE_SECONDS)[0]) for member in members]
    finally:
        for member in members:
            member.kill()
    return {task.__name__: [results[task.__name__] for results in found] for task in TASKS}


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


def _main(folder: str, *ports: str) -> None:
    results = {}
    for task, port in zip(TASKS, ports, strict=True):
        os.environ["MASTER_PORT"] = port
        results[task.__name__] = task(Path(folder))
        torch.distributed.barrier()  # the other process may still be joining
        distributed.stop()
    print(json.dumps(results))


if __name__ == "__main__":
    _main(*sys.argv[1:])
