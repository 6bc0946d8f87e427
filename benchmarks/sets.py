"""Images per second of a large set to disk and to S3, against the bare generator, in one run; and memory.

Run it as `python -m benchmarks.sets`; README.md in this folder says what it measures.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.borrowed import BUCKET, swift_with_bucket, untrained_checkpoint
from benchmarks.report import Comparison, describe_machine, describe_model, speed_lines, speeds
from benchmarks.set_command import Run, run_set
from benchmarks.throughput import BARE, SEED, Timer, bare_loop, measure
from endotwin.catalogue import choose_default, load_checkpoints, with_device
from endotwin.generator.batch import BatchMaker
from endotwin.generator.checkpoint import Checkpoint
from endotwin.generator.device import describe_device, resolve_device
from endotwin.generator.sampler import sampler_in
from endotwin.image_range import BATCH
from endotwin.process_environment import GENERATING, restart_with
from endotwin.sets.make import make_set
from endotwin.sets.plan import Shard
from endotwin.sets.spec import SetSpec
from endotwin.sets.storage.open_destination import open_destination
from endotwin.sets.storage.place import parse_place
from endotwin.sets.storage.record import ShardRecord
from endotwin.settings import load_settings

MEMORY_COUNTS = (2_000, 10_000, 20_000, 200_000)
MEMORY_SHARD_SIZE = 2_000
SHARDS = 4
"""Shards of one measurement: while one is sent the next is generated."""


class _NoProgress:
    """A `endotwin.sets.make.SetProgress` that shows nothing."""

    def found(self, shard: Shard) -> None:
        """Show nothing."""

    def generated(self, images: int) -> None:
        """Show nothing."""

    def made(self, shard: Shard, record: ShardRecord) -> None:
        """Show nothing."""


def main(
    *,
    n: Annotated[
        int, typer.Option(help=f"Images of one measurement, a multiple of {SHARDS * BATCH}.")
    ] = 1600,
    rounds: Annotated[int, typer.Option(min=1, help="Measurements of each kind; odd is best.")] = 5,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:INDEX.")] = "auto",
    memory: Annotated[
        bool,
        typer.Option(
            "--memory", help="Also time and peak memory as n grows to 200,000, untrained network (Linux)."
        ),
    ] = False,
    largest: Annotated[int, typer.Option(help="With --memory: leave out larger n.")] = MEMORY_COUNTS[-1],
    output: Annotated[Path, typer.Option(help="Folder for the report and the logs.")] = Path(
        "out/benchmarks"
    ),
) -> None:
    """Compare the bare generator loop with sets to a folder and to a Swift server on this machine.

    Measures the service's default model.
    """
    if n < SHARDS * BATCH or n % (SHARDS * BATCH):
        raise typer.BadParameter(f"--n must be a multiple of {SHARDS * BATCH}; got {n}")
    restart_with(GENERATING)  # as the command does
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # stops the server, too
    output.mkdir(parents=True, exist_ok=True)
    settings = with_device(load_settings(), device)
    target = resolve_device(settings.device)
    machine = describe_machine(describe_device(target))  # before this run makes a load of its own
    load = partial(load_checkpoints, settings.checkpoint_dir, allow_unscored=settings.allow_unscored)
    thread = ThreadPoolExecutor(1, "device")
    checkpoints = thread.submit(load).result()
    checkpoint = checkpoints[choose_default(checkpoints, settings.default_model)]
    typer.echo(f"{rounds} rounds of {n} images of model {checkpoint.card.name} on {machine['device']}")
    with tempfile.TemporaryDirectory(prefix="endotwin-sets-") as folder:
        with swift_with_bucket(Path(folder) / "swift") as (_, variables):
            os.environ.update(variables)
            maker = sampler_in(thread, checkpoint, target)
            bare = thread.submit(bare_loop, checkpoint, target).result()
            timers = {
                BARE: lambda count: thread.submit(bare, count).result(),
                "set, folder": _set_timer(checkpoint, maker, f"{folder}/sets"),
                "set, Swift": _set_timer(checkpoint, maker, f"s3://{BUCKET}/sets"),
            }
            comparison = Comparison(n, measure(timers, n, rounds), BARE)
        runs = _grow(Path(folder), output, largest) if memory else {}
    typer.echo(_write(machine, describe_model(checkpoint), comparison, runs, output))


def _set_timer(checkpoint: Checkpoint, maker: BatchMaker, below: str) -> Timer:
    """Return a way to make a new set, manifest and all, below a place."""
    numbers = iter(range(1_000_000))

    def make(count: int) -> float:
        spec = SetSpec(
            name="benchmark",
            n=count,
            seed=SEED,
            model=checkpoint.card.name,
            generator_sha256=checkpoint.generator_sha256,
            shard_size=count // SHARDS,
        )
        place = parse_place(f"{below}/{next(numbers)}")
        began = time.perf_counter()
        destination = open_destination(place, load_settings(), stop_if_asked=lambda: None, note=typer.echo)
        made = make_set(
            spec,
            checkpoint.card,
            destination,
            lambda: maker,
            progress=_NoProgress(),
            stop_if_asked=lambda: None,
        )
        assert made.manifest is not None
        return time.perf_counter() - began

    return make


def _grow(folder: Path, output: Path, largest: int) -> dict[int, Run]:
    """Run the command for growing n with the untrained network, each in a process and folder of its own."""
    path = untrained_checkpoint(folder / "checkpoints")
    runs = {}
    for count in MEMORY_COUNTS:
        if count > largest:
            continue
        with tempfile.TemporaryDirectory(dir=folder) as place:
            arguments = ["--n", str(count), "--seed", str(SEED), "--shard-size", str(MEMORY_SHARD_SIZE)]
            arguments += ["--checkpoint", str(path), "--device", "cpu", place]
            runs[count] = run_set(arguments, {}, output / "set.log")
        typer.echo(f"n = {count}: {runs[count].seconds:.1f} s, peak memory {runs[count].peak_mib:.1f} MiB")
    return runs


def _write(
    machine: dict[str, Any],
    model: dict[str, Any],
    comparison: Comparison,
    runs: dict[int, Run],
    folder: Path,
) -> str:
    """Write sets.json and sets.md into a folder; return the markdown."""
    content = {
        "machine": machine,
        "model": model,
        "n": comparison.n,
        "sets": speeds(comparison),
        "growth": {str(count): vars(run) for count, run in runs.items()},
    }
    (folder / "sets.json").write_text(json.dumps(content, indent=2) + "\n")
    markdown = "\n".join(_lines(machine, model, comparison, runs)) + "\n"
    (folder / "sets.md").write_text(markdown)
    return markdown


def _lines(
    machine: dict[str, Any], model: dict[str, Any], comparison: Comparison, runs: dict[int, Run]
) -> Sequence[str]:
    lines = [
        f"Model {model['name']} (sha256 {model['generator_sha256'][:12]}), {machine['device']}; "
        f"{machine['processor']}, {machine['cores']} cores, {machine['torch_threads']} torch threads; "
        f"torch {machine['torch']}; {machine['date']}; load before the run {machine['load_before']}.",
        "",
    ]
    lines += speed_lines(machine, comparison, f"{comparison.n} images in {SHARDS} shards")
    if runs:
        lines += [
            "",
            f"The command, untrained network, shards of {MEMORY_SHARD_SIZE:,}, to a folder:",
            "",
            "| n | seconds, with start-up | images/s, without | peak memory, MiB |",
            "| ---: | ---: | ---: | ---: |",
            *(
                f"| {n:,} | {run.seconds:.1f} | {run.rate:.1f} | {run.peak_mib:.1f} |"
                for n, run in runs.items()
            ),
        ]
    return lines


if __name__ == "__main__":
    typer.run(main)
