"""How long scenes and labels take in one core, and a digest of the labels.

It needs nothing but `endotwin`, so that it also measures another checkout:

    PYTHONPATH=. python benchmarks/mosaic/speed.py
    PYTHONPATH=OTHER_CHECKOUT python benchmarks/mosaic/speed.py
"""

from __future__ import annotations

import hashlib
import os
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from endotwin.generator.labelled import LabelledArchitecture, LabelledGenerator
from endotwin.generator.latents import draw_normals
from endotwin.image_range import ImageRange
from endotwin.mosaic.parameters import Conditions, Range
from endotwin.mosaic.scene import Scene

SCENES = 100


def fixed(value: float) -> Range:
    return Range(low=value, high=value)


CONDITIONS = {
    "as open requests": Conditions(),
    "density 4500": Conditions(density=fixed(4500)),
    "density 500": Conditions(density=fixed(500)),
    "cv 0.6": Conditions(cv=fixed(0.6)),
    "hexagonality 0.40": Conditions(hexagonality=fixed(0.40)),
    "guttae 0.2": Conditions(guttae=fixed(0.2)),
}


def digest(scenes: list[Scene]) -> str:
    """Return the first digits of the SHA-256 of the labels' files: maps and tables of cells."""
    found = hashlib.sha256()
    for scene in scenes:
        label = scene.label()
        for plane in (label.borders, label.soft, label.instances, label.guttae):
            found.update(np.ascontiguousarray(plane).tobytes())
        found.update(repr(label.cells).encode())
    return found.hexdigest()[:16]


def main() -> None:
    """Print a Markdown table; processor time, so that what else runs counts little."""
    print("| conditions | ms per scene | ms per label | labels |")
    print("|---|---|---|---|")
    generator = LabelledGenerator(LabelledArchitecture())
    draws = draw_normals(ImageRange(0, 0, SCENES), generator.draws)
    for name, conditions in CONDITIONS.items():
        generator.draw_scenes(draws[:1], conditions)[0].label()  # what is loaded once
        start = time.process_time()
        scenes = generator.draw_scenes(draws, conditions)
        drawn = time.process_time()
        for scene in scenes:
            scene.label()
        labelled = time.process_time()
        per_scene, per_label = (1000.0 * t / SCENES for t in (drawn - start, labelled - drawn))
        print(f"| {name} | {per_scene:.2f} | {per_label:.2f} | {digest(scenes)} |")


if __name__ == "__main__":
    main()
