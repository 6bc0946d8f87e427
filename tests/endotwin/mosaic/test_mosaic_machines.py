"""The same mosaics on every machine, whatever its processor can do and wherever compiled code is kept."""

from __future__ import annotations

import hashlib
import itertools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mosaic_draws import draw_scenes, fixed

from endotwin.mosaic.compiled import compiled
from endotwin.mosaic.parameters import Conditions

FORMS = ((4500.0, 0.6, 0.35), (2000.0, 0.3, 0.55), (500.0, 0.15, 0.8))
"""Density, cv and hexagonality."""

SHARES = (0.0, 0.15, 0.35)
"""Of guttae."""

DIGEST = "a301fe70cc18d8dca032880ae1f4a5612e8160dc24094d921a98fbcc4355c9d8"
"""Of maps drawn on Linux with an x86-64 processor. Changed with `MOSAIC_VERSION`, and only then."""


def digest() -> str:
    found = hashlib.sha256()
    for (density, cv, hexagonality), guttae in itertools.product(FORMS, SHARES):
        asked = Conditions(
            density=fixed(density), cv=fixed(cv), hexagonality=fixed(hexagonality), guttae=fixed(guttae)
        )
        for scene in draw_scenes(0, 4, asked):
            label = scene.label()
            for plane in (scene.raster.owner, label.borders, label.soft, label.guttae):
                found.update(plane.tobytes())
            found.update(scene.mosaic.tessellation.areas.round(3).tobytes())
    return found.hexdigest()


def test_maps_are_those_of_other_machines() -> None:
    assert digest() == DIGEST


@pytest.mark.long
def test_a_plain_processor_draws_the_same(tmp_path: Path) -> None:
    """Without AVX and without fused multiplication and addition."""
    environment = {
        **os.environ,
        "NUMBA_CPU_NAME": "generic",
        "NUMBA_CPU_FEATURES": "",
        "NUMBA_CACHE_DIR": str(tmp_path),
        "NPY_DISABLE_CPU_FEATURES": "AVX512F AVX512_SKX AVX2 FMA3",
    }
    script = "import test_mosaic_machines; print(test_mosaic_machines.digest())"
    folders = [str(Path(__file__).parent), *sys.path]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        env={**environment, "PYTHONPATH": os.pathsep.join(folders)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == DIGEST, done.stderr


def test_code_is_compiled_where_it_cannot_be_kept() -> None:
    """A function without a file has no folder for its code, like a package that is read only."""
    space: dict[str, object] = {}
    exec("def twice(number):\n    return 2.0 * number", space)
    twice = compiled(space["twice"])  # type: ignore[arg-type]
    assert twice(1.5) == 3.0
    assert np.isnan(twice(np.nan))
