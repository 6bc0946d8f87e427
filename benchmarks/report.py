"""What a run has measured, as markdown for people and as JSON for programs."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import torch

from endotwin.generator.checkpoint import Checkpoint

BUSY = 0.25
"""Load average per core above which figures are not worth keeping."""


@dataclass(frozen=True)
class Comparison:
    """Ways to make the same n images, measured in rounds.

    Attributes:
        n: images of one measurement.
        seconds: for each way, its time in every round.
        base: the way that the others are compared with.
    """

    n: int
    seconds: Mapping[str, Sequence[float]]
    base: str

    def rate(self, way: str) -> float:
        """Return the median images per second."""
        return self.n / median(self.seconds[way])

    def ratios(self, way: str) -> list[float]:
        """Return the rate relative to the base's, round by round: drift between rounds cancels."""
        pairs = zip(self.seconds[self.base], self.seconds[way], strict=True)
        return [base / taken for base, taken in pairs]


@dataclass(frozen=True)
class Memory:
    """Resident memory of a fresh service, in MiB: its peak when ready, and after one npy of n images."""

    n: int
    ready_mib: float
    peak_mib: float


@dataclass(frozen=True)
class Report:
    """Everything one run has measured: comparisons, each with the bare loop of its own model."""

    machine: dict[str, Any]
    model: dict[str, Any]
    comparisons: Sequence[Comparison]
    start_up_seconds: Sequence[float]
    memory: Sequence[Memory]


def describe_machine(device: str) -> dict[str, Any]:
    """Describe where the run takes place, the load of the last minute included.

    Args:
        device: name of the device that generates.
    """
    return {
        "device": device,
        "processor": _processor(),
        "cores": os.cpu_count(),
        "torch_threads": torch.get_num_threads(),
        "load_before": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "bentoml": version("bentoml"),
        "date": time.strftime("%Y-%m-%d %H:%M %z"),
    }


def describe_model(checkpoint: Checkpoint) -> dict[str, Any]:
    """Say which checkpoint is measured, and how large its generator is."""
    parameters = sum(tensor.numel() for tensor in checkpoint.generator.parameters())
    return {
        "name": checkpoint.card.name,
        "generator_sha256": checkpoint.generator_sha256,
        "parameters": parameters,
    }


def write_report(report: Report, folder: Path) -> str:
    """Write throughput.json and throughput.md into a folder; return the markdown."""
    markdown = _markdown(report)
    (folder / "throughput.json").write_text(json.dumps(_as_json(report), indent=2) + "\n")
    (folder / "throughput.md").write_text(markdown)
    return markdown


def _as_json(report: Report) -> dict[str, Any]:
    return {
        "machine": report.machine,
        "model": report.model,
        "n": report.comparisons[0].n,
        "throughput": {
            way: speed for comparison in report.comparisons for way, speed in speeds(comparison).items()
        },
        "start_up_seconds": list(report.start_up_seconds),
        "memory": [vars(memory) for memory in report.memory],
    }


def _markdown(report: Report) -> str:
    machine, model = report.machine, report.model
    lines = [
        f"Model {model['name']} ({model['parameters']:,} parameters, "
        f"sha256 {model['generator_sha256'][:12]}), "
        f"{machine['device']}; {machine['processor']}, {machine['cores']} cores, "
        f"{machine['torch_threads']} torch threads; torch {machine['torch']}, "
        f"BentoML {machine['bentoml']}, Python {machine['python']}; {machine['date']}; "
        f"load before the run {machine['load_before']}.",
        "",
    ]
    for comparison in report.comparisons:
        lines += [*speed_lines(machine, comparison, f"{comparison.n} images"), ""]
    starts = ", ".join(f"{seconds:.1f}" for seconds in report.start_up_seconds)
    lines.append(f"Start to ready: {starts} s.")
    if report.memory:
        lines += [
            "",
            "| one npy, fresh server | peak when ready, MiB | peak, MiB |",
            "| --- | ---: | ---: |",
            *(f"| n = {m.n:,} | {m.ready_mib:.1f} | {m.peak_mib:.1f} |" for m in report.memory),
        ]
    return "\n".join(lines) + "\n"


def speeds(comparison: Comparison) -> dict[str, dict[str, Any]]:
    """Return what a comparison found, for JSON, by way."""
    return {
        way: {
            "images_per_second": comparison.rate(way),
            "ratio": median(comparison.ratios(way)),
            "seconds": list(taken),
            "ratios": comparison.ratios(way),
        }
        for way, taken in comparison.seconds.items()
    }


def speed_lines(machine: dict[str, Any], comparison: Comparison, what: str) -> list[str]:
    """Return the lines of Markdown that compare speeds.

    Args:
        machine: as from `describe_machine`.
        comparison: at least one round.
        what: is timed, to begin a sentence with.
    """
    rounds = len(comparison.seconds[comparison.base])
    lines = []
    if machine["load_before"] > BUSY * machine["cores"]:
        lines += ["**The machine was busy: these figures are not worth keeping.**", ""]
    lines += [
        f"{what}, median of {rounds} rounds (least to most):",
        "",
        "| | images/s | of the bare loop |",
        "| --- | ---: | ---: |",
    ]
    for way in comparison.seconds:
        ratios = comparison.ratios(way)
        spread = "" if way == comparison.base else f" ({min(ratios):.1%} to {max(ratios):.1%})"
        lines.append(f"| {way} | {comparison.rate(way):.1f} | {median(ratios):.1%}{spread} |")
    return lines


def _processor() -> str:
    """Return the name of the processor; Linux knows more than Python does."""
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
