"""The same mosaics on every machine, whatever its processor can do and wherever compiled code is kept."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mosaic_draws import mosaics_with

from endotwin.generator.latents import draw_normals
from endotwin.image_range import ImageRange
from endotwin.mosaic.compiled import compiled
from endotwin.mosaic.guttae import GUTTAE_NUMBERS, draw_guttae
from endotwin.mosaic.labels import soft_borders
from endotwin.mosaic.raster import draw_borders, rasterise

NUMBERS = draw_normals(ImageRange(0, 0, 1), GUTTAE_NUMBERS)[0]
FORMS = ((260.0, 0.6, 0.35), (600.0, 0.3, 0.55), (2500.0, 0.15, 0.8))
"""Area of a cell, cv and hexagonality."""

DIGEST = "6711936b8962c640e1d86c0fafaf9117434973595519a0bc95565c83fdf0d43b"
"""Of maps drawn on Linux with an x86-64 processor. Changed with `MOSAIC_VERSION`, and only then."""


def digest() -> str:
    found = hashlib.sha256()
    for k, form in enumerate(FORMS):
        for mosaic in mosaics_with(k, 4, *form):
            raster = rasterise(mosaic)
            guttae = draw_guttae(NUMBERS, 0.15, raster.owner).covered
            for plane in (raster.owner, draw_borders(raster), soft_borders(raster.border), guttae):
                found.update(plane.tobytes())
            found.update(mosaic.tessellation.areas.round(3).tobytes())
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
