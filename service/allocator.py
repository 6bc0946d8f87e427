"""How the processes that generate images have memory allocated.

glibc reads these variables when a process starts (mallopt(3)); other C libraries ignore them. The arrays of
a batch, tens of MB, are then used again for the next batch instead of being handed back to the kernel and
faulted in anew, and memory freed by one thread serves all. It takes all three: benchmarks/README.md.
"""

from __future__ import annotations

ALLOCATOR = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(512 << 20),
}
"""Environment variables, by name."""
