"""The environment variables of the processes that generate images.

glibc reads those that begin with MALLOC_ when a process starts (mallopt(3)); other C libraries ignore them.
The arrays of a batch, tens of MB, are then used again for the next batch instead of being handed back to
the kernel and faulted in anew, and memory freed by one thread serves all. It takes all three:
benchmarks/README.md.

OpenBLAS, which does scipy's linear algebra, would start a team of threads beside the one of torch, and the
two would fight over the cores.
"""

from __future__ import annotations

ENVIRONMENT = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(512 << 20),
    "OPENBLAS_NUM_THREADS": "1",
}
"""Environment variables, by name."""
