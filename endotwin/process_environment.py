"""Environment variables of processes that run networks on a CPU, and how a command sets them for itself.

glibc reads those that begin with MALLOC_ when a process starts (mallopt(3)); other C libraries ignore them.
The arrays of a batch, tens of MB, are then used again for the next batch instead of being handed back to
the kernel and faulted in again, and memory freed by one thread serves all. It takes all three:
benchmarks/README.md. Blocks up to 128 MiB are kept, which the arrays of a field of 1,024 × 1,024 are below.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping


def largest_kept_block(libc: str) -> int:
    """Return up to how many bytes a block may have that a C library keeps, as its variable takes it.

    Args:
        libc: such as `glibc 2.36`. Those before are asked for 32 MiB, as old ones refuse more and, as the
            other variables are set, would then keep no more than 128 KiB.
    """
    found = re.fullmatch(r"glibc (\d+)\.(\d+).*", libc)
    newer = found is not None and (int(found[1]), int(found[2])) >= (2, 36)
    return (128 if newer else 32) << 20


def _libc() -> str:
    """Return name and version of the C library, where it is glibc."""
    name = "CS_GNU_LIBC_VERSION"
    return (os.confstr(name) or "") if name in os.confstr_names else ""


MEMORY = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": str(largest_kept_block(_libc())),
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
