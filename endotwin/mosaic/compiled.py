"""The compiler of the numerical loops: Numba, because wheels of it run wherever Python and NumPy do.

docs/mosaic.md tells what else was considered. Without `fastmath` LLVM neither reorders sums nor fuses a
multiplication with an addition, so the same numbers come out on every processor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

import numba

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


def compiled(function: Callable[_Arguments, _Result]) -> Callable[_Arguments, _Result]:
    """Compile a function at its first call; other threads go on while it runs.

    Machine code is kept beside the module, else in the user's cache or in NUMBA_CACHE_DIR. Where none of
    these can be written to, every process compiles for itself. The cache sees changes of the function's own
    file only, so compiled functions call none of other files and read none of their constants.
    """
    try:
        dispatcher = numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:  # no folder for the cache
        dispatcher = numba.njit(nogil=True)(function)
    return cast("Callable[_Arguments, _Result]", dispatcher)
