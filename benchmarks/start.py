"""How long the service takes to be ready, beside what importing torch takes.

Run it as `python -m benchmarks.start`; README.md in this folder says what it measures.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Annotated, NamedTuple

import psutil
import typer

from benchmarks.server import running_server
from endotwin.process_environment import GENERATING

_IMPORT = "import torch, time, os; t = os.times(); print(time.time(), t.user + t.system)"


class Taken(NamedTuple):
    """What one start took: seconds on the clock, and of a processor's time."""

    wall: float
    cpu: float


def main(
    rounds: Annotated[int, typer.Option(min=1, help="Rounds, after one that is not counted.")] = 7,
    output: Annotated[Path, typer.Option(help="Folder for the report and the server's log.")] = Path(
        "out/benchmarks"
    ),
) -> None:
    """Start the service with the checkpoints that it is set to, and import torch, in turn."""
    output.mkdir(parents=True, exist_ok=True)
    pairs = [(import_torch(), start_service(output / "start.log")) for _ in range(rounds + 1)][1:]
    for torch, service in pairs:
        typer.echo(
            f"import torch {torch.wall:.2f} s, {torch.cpu:.2f} s of processor; "
            f"service ready {service.wall:.2f} s, {service.cpu:.2f} s of processor"
        )
    ratios = {
        "wall": median(service.wall / torch.wall for torch, service in pairs),
        "cpu": median(service.cpu / torch.cpu for torch, service in pairs),
    }
    (output / "start.json").write_text(json.dumps({"ratios": ratios, "pairs": pairs}, indent=2) + "\n")
    typer.echo(f"service over import: {ratios['wall']:.2f} by the clock, {ratios['cpu']:.2f} of processor")


def import_torch() -> Taken:
    """Import torch in a process of its own."""
    began = time.time()
    run = subprocess.run(
        [sys.executable, "-c", _IMPORT],
        env={**GENERATING, **os.environ},
        stdout=subprocess.PIPE,
        check=True,
    )
    done, cpu = map(float, run.stdout.split())
    return Taken(done - began, cpu)


def start_service(log: Path) -> Taken:
    """Start `endotwin serve` and wait until /readyz says 200."""
    with running_server({}, log) as server:
        times = psutil.Process(server.pid).cpu_times()
        return Taken(server.ready_seconds, times.user + times.system)


if __name__ == "__main__":
    typer.run(main)
