"""Run `endotwin set` as a process of its own, and measure it from outside."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]
_LOOK_SECONDS = 0.2


class CommandError(Exception):
    """The command failed; the message ends with its output."""


@dataclass(frozen=True)
class Run:
    """One run of the command, from its start to its end.

    Attributes:
        seconds: with start-up.
        rate: images per second as the command prints them, without start-up; 0 if it made none.
        peak_mib: the most resident memory, looked at five times a second (Linux).
    """

    seconds: float
    rate: float
    peak_mib: float


def start_set(arguments: list[str], variables: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    """Start `endotwin set`; its output goes to a file."""
    with log.open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "endotwin.cli.main", "set", *arguments],
            cwd=_ROOT,
            env={**os.environ, **variables},
            stdout=output,
            stderr=subprocess.STDOUT,
        )


def run_set(arguments: list[str], variables: Mapping[str, str], log: Path) -> Run:
    """Run `endotwin set` to its end.

    Raises:
        CommandError: it failed.
    """
    began, peak = time.perf_counter(), 0.0
    process = start_set(arguments, variables, log)
    try:
        while process.poll() is None:
            peak = max(peak, _peak_mib(process.pid))
            time.sleep(_LOOK_SECONDS)
    finally:
        process.kill()
    seconds = time.perf_counter() - began
    text = log.read_text(errors="replace")
    rate = re.search(r"^([0-9.]+) images/s$", text, re.MULTILINE)
    if process.returncode:
        raise CommandError(f"endotwin set {' '.join(arguments)}: {text[-2000:]}")
    return Run(seconds, 0.0 if rate is None else float(rate[1]), peak)


def _peak_mib(pid: int) -> float:
    try:
        found = re.search(r"^VmHWM:\s*(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return 0.0 if found is None else int(found[1]) / 1024
