"""Environment variables of processes that run networks on a CPU, and how a command sets them for itself.

glibc reads those that begin with MALLOC_ when a process starts (mallopt(3)); other C libraries ignore them.
The arrays of a batch, tens of MB, are then used again for the next batch instead of being handed back to
the kernel and faulted in again, and memory freed by one thread serves all. It takes all three:
benchmarks/README.md.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

MEMORY = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(512 << 20),
}
"""Environment variables, by name."""

GENERATING = {**MEMORY, "OPENBLAS_NUM_THREADS": "1"}
"""The same for processes that only generate images. OpenBLAS, which does numpy's linear algebra, would
start a team of threads beside the one of torch, and the two would fight over the cores."""


def restart_with(variables: Mapping[str, str]) -> None:
    """Start this process again, with the same number and command, with variables that it lacks (Linux).

    Call it first: what the process did is lost. A variable that is set already stays as it is, and so does
    a process that completes a command for a shell, which waits for it.
    """
    if any(name.startswith("_ENDOTWIN_") and name.endswith("_COMPLETE") for name in os.environ):
        return
    missing = {name: value for name, value in variables.items() if name not in os.environ}
    if missing and sys.platform == "linux":
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, **missing})
