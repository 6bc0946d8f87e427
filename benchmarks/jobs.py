"""What a running job costs a stream: time to the first byte idle and beside a job, in one run.

Run it as `python -m benchmarks.jobs`; README.md in this folder says what it measures.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Annotated, Any
from urllib.parse import urlencode

import typer

from benchmarks.report import describe_machine
from benchmarks.server import Server, ServerError, running_server
from endotwin.generator.device import describe_device, resolve_device
from endotwin.settings import variable

_HOST = "127.0.0.1"
_STREAM_IMAGES = 16
_JOB_IMAGES = 100_000
_WAIT_SECONDS = 300.0
_PAUSE_SECONDS = 0.37
"""Between two requests, so that they come at any point of a job's batch."""


def main(
    *,
    destination: Annotated[
        str, typer.Argument(help="s3://bucket/prefix for the job's set, which is removed again.")
    ],
    rounds: Annotated[int, typer.Option(min=1, help="Pairs of measurements.")] = 5,
    repeats: Annotated[int, typer.Option(min=1, help="Requests of one measurement.")] = 7,
    labels: Annotated[str, typer.Option(help="Labels of the job, such as borders,instances.")] = "",
    output: Annotated[Path, typer.Option(help="Folder for the report and the server's log.")] = Path(
        "out/benchmarks"
    ),
) -> None:
    """Ask for streams with no job and with one that runs, in turn, and write the ratio down.

    Endpoint and credentials of the storage come from the usual AWS variables. A server is started on
    127.0.0.1 and stopped at the end.
    """
    # Stops the server, as Ctrl-C does.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    output.mkdir(parents=True, exist_ok=True)
    machine = describe_machine(describe_device(resolve_device("auto")))
    with TemporaryDirectory() as folder:
        settings = {
            variable("jobs_store"): str(Path(folder) / "jobs.sqlite"),
            variable("storage_allow"): destination.removeprefix("s3://"),
        }
        with running_server(settings, output / "jobs-server.log") as server:
            body = {"n": _JOB_IMAGES, "seed": 7, "destination": destination, "shard_size": 1000}
            if labels:
                body["labels"] = labels.split(",")
            idle, beside = _measure(server, body, rounds, repeats)
    report = {
        "machine": machine,
        "cores": os.cpu_count(),
        "job_labels": labels,
        "idle_seconds": idle,
        "beside_seconds": beside,
        "ratio_of_medians": median(beside) / median(idle),
    }
    (output / "jobs.json").write_text(json.dumps(report, indent=2) + "\n")
    typer.echo(
        f"first byte after {median(idle):.3f} s idle ({min(idle):.3f} to {max(idle):.3f}), "
        f"{median(beside):.3f} s beside a job ({min(beside):.3f} to {max(beside):.3f}): "
        f"{report['ratio_of_medians']:.2f} times, median of {len(idle)}"
    )


def _measure(
    server: Server, body: dict[str, Any], rounds: int, repeats: int
) -> tuple[list[float], list[float]]:
    """Return seconds to the first byte without and with a job; the two take turns, round by round."""
    _first_byte(server)
    idle: list[float] = []
    beside: list[float] = []
    for _ in range(rounds):
        idle += [_first_byte(server) for _ in range(repeats)]
        job = _ask(server, "POST", "/jobs", body)
        path = f"/jobs/{job['id']}"
        _wait(lambda path=path: _ask(server, "GET", path)["images_per_second"] is not None)  # type: ignore[misc]
        beside += [_first_byte(server) for _ in range(repeats)]
        _ask(server, "DELETE", path)
        _wait(lambda path=path: _ask(server, "GET", path)["state"] == "cancelled")  # type: ignore[misc]
    return idle, beside


def _first_byte(server: Server) -> float:
    time.sleep(_PAUSE_SECONDS)
    with closing(http.client.HTTPConnection(_HOST, server.port)) as connection:
        began = time.perf_counter()
        connection.request("POST", f"/generate?{urlencode({'n': _STREAM_IMAGES, 'seed': 7})}")
        response = connection.getresponse()
        if response.status != 200:
            raise ServerError(f"{response.status}: {response.read().decode(errors='replace')}")
        response.read(1)
        seconds = time.perf_counter() - began
        response.read()
    return seconds


def _ask(server: Server, method: str, path: str, body: object = None) -> dict[str, Any]:
    with closing(http.client.HTTPConnection(_HOST, server.port)) as connection:
        content = None if body is None else json.dumps(body)
        connection.request(method, path, content, {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = response.read()
        if response.status >= 400:
            raise ServerError(f"{response.status}: {answer.decode(errors='replace')}")
        return dict(json.loads(answer))


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _WAIT_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise ServerError("the job did not get on; the server's log says more")
        time.sleep(0.2)


if __name__ == "__main__":
    typer.run(main)
