"""Images per second of the bare generator, the sampler and the service, in one run; and memory.

Run it as `python -m benchmarks.throughput`; README.md in this folder says what it measures.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import torch
import typer

from benchmarks.report import Comparison, Memory, Report, describe_machine, describe_model, write_report
from benchmarks.server import Server, running_server
from endotwin.catalogue import choose_default, choose_labelled, load_checkpoints
from endotwin.generator.checkpoint import Checkpoint
from endotwin.generator.device import describe_device, resolve_device
from endotwin.generator.latents import draw_normals
from endotwin.generator.sampler import Sampler
from endotwin.image_range import BATCH, ImageRange
from endotwin.process_environment import GENERATING, restart_with
from endotwin.samples.conditions import parse_labelling
from endotwin.samples.labelling import LabellingError
from endotwin.settings import load_settings, variable

SEED = 7
BARE = "bare loop"
LABELLED_BARE = "bare loop, labelled model"
WARM_UP = 4 * BATCH
POOL = 8
"""Batches of ready-made draws that the bare loop goes through in turn."""

MEMORY_COUNTS = (500, 20_000)

LABELS = "borders,instances"

Timer = Callable[[int], float]
"""Makes that many images and returns the seconds it took."""


def main(
    *,
    n: Annotated[int, typer.Option(help=f"Images of one measurement, a multiple of {BATCH}.")] = 1600,
    rounds: Annotated[int, typer.Option(min=1, help="Measurements of each kind; odd is best.")] = 5,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:INDEX.")] = "auto",
    memory: Annotated[
        bool, typer.Option("--memory", help="Also the peak memory at n = 500 and 20,000 (Linux).")
    ] = False,
    output: Annotated[Path, typer.Option(help="Folder for the report and the server's log.")] = Path(
        "out/benchmarks"
    ),
) -> None:
    """Compare the bare generator loop, the sampler and the service's streams, and write a report.

    Measures the service's default model. A server is started on 127.0.0.1 for it and stopped at the end.
    """
    if n < BATCH or n % BATCH:
        raise typer.BadParameter(f"--n must be a multiple of {BATCH}, the images of a batch; got {n}")
    restart_with(GENERATING)  # so that only the service differs
    # Stops the server, as Ctrl-C does.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    output.mkdir(parents=True, exist_ok=True)
    log = output / "server.log"
    target = resolve_device(device)
    settings = {
        variable("device"): str(target),
        variable("max_images"): str(max(n, WARM_UP, *MEMORY_COUNTS)),
    }
    machine = describe_machine(describe_device(target))  # before this run makes a load of its own
    checkpoint, labelled = _checkpoints()

    typer.echo(f"{rounds} rounds of {n} images of model {checkpoint.card.name} on {machine['device']}")
    with running_server(settings, log) as server:
        start_ups = [server.ready_seconds]
        typer.echo(f"server ready after {server.ready_seconds:.1f} s")
        of_default = _timers(checkpoint, target, server)
        of_labelled = {} if labelled is None else _labelled_timers(labelled, target, server)
        seconds = measure(of_default | of_labelled, n, rounds)
        comparisons = [Comparison(n, {way: seconds[way] for way in of_default}, BARE)]
        if of_labelled:
            comparisons.append(Comparison(n, {way: seconds[way] for way in of_labelled}, LABELLED_BARE))

    peaks = []
    for count in MEMORY_COUNTS if memory else ():
        with running_server(settings, log) as server:
            start_ups.append(server.ready_seconds)
            ready = server.peak_memory()
            server.fetch(count, SEED, "npy")
            peaks.append(Memory(count, ready, server.peak_memory()))
        typer.echo(f"peak memory at n = {count}: {peaks[-1].peak_mib:.1f} MiB")

    report = Report(machine, describe_model(checkpoint), comparisons, start_ups, peaks)
    typer.echo(write_report(report, output))


def _checkpoints() -> tuple[Checkpoint, Checkpoint | None]:
    """Load what the service answers with when a request names no model, and the labelled model."""
    settings = load_settings()
    checkpoints = load_checkpoints(settings.checkpoint_dir, allow_unscored=settings.allow_unscored)
    default = choose_default(checkpoints, settings.default_model)
    cards = {name: checkpoint.card for name, checkpoint in checkpoints.items()}
    try:
        labelled = checkpoints[choose_labelled(cards, None, default, parse_labelling(LABELS, {}))]
    except LabellingError:
        labelled = None
    return checkpoints[default], labelled


def _labelled_timers(checkpoint: Checkpoint, device: torch.device, server: Server) -> dict[str, Timer]:
    """Return the labelled generator alone, and the service's streams of it without and with labels."""
    name = checkpoint.card.name
    Sampler(checkpoint, str(device))  # it puts the generator into the memory format of the device
    return {
        LABELLED_BARE: bare_loop(checkpoint, device),
        f"service, tar, {name}": lambda count: server.fetch(count, SEED, "tar", model=name),
        f"service, tar, {name} with {LABELS}": lambda count: server.fetch(
            count, SEED, "tar", model=name, labels=LABELS
        ),
    }


def bare_loop(checkpoint: Checkpoint, device: torch.device) -> Timer:
    """Return the generator alone: draws ready on the device, nothing done with the images."""
    generator = checkpoint.generator.to(device)
    pool = [
        torch.from_numpy(draw_normals(ImageRange(SEED, block * BATCH, BATCH), generator.draws)).to(device)
        for block in range(POOL)
    ]

    def bare(count: int) -> float:
        began = time.perf_counter()
        with torch.inference_mode():
            for block in range(count // BATCH):
                generator(pool[block % POOL])
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return time.perf_counter() - began

    return bare


def _timers(checkpoint: Checkpoint, device: torch.device, server: Server) -> dict[str, Timer]:
    sampler = Sampler(checkpoint, str(device))  # it puts the generator into the memory format of the device

    def sample(count: int) -> float:
        began = time.perf_counter()
        for _ in sampler.batches(ImageRange(SEED, 0, count)):
            pass
        return time.perf_counter() - began

    return {
        BARE: bare_loop(checkpoint, device),
        "sampler": sample,
        "service, npy": lambda count: server.fetch(count, SEED, "npy"),
        "service, tar": lambda count: server.fetch(count, SEED, "tar"),
    }


def measure(timers: dict[str, Timer], n: int, rounds: int) -> dict[str, list[float]]:
    """Time each way once a round, every other round in reverse order, so that a steady drift cancels.

    Returns:
        Seconds for n images, round by round, for each way.
    """
    for timer in timers.values():
        timer(WARM_UP)
    seconds: dict[str, list[float]] = {name: [] for name in timers}
    for turn in range(rounds):
        for name in list(timers) if turn % 2 == 0 else reversed(timers):
            seconds[name].append(timers[name](n))
        rates = ", ".join(f"{name} {n / taken[-1]:.1f}" for name, taken in seconds.items())
        typer.echo(f"round {turn + 1} of {rounds}, images/s: {rates}")
    return seconds


if __name__ == "__main__":
    typer.run(main)
