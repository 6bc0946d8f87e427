"""How many cells of labels are slivers, measured on pixels as on the real cells that experts outlined.

It needs nothing but `endotwin`, so that it also measures another checkout:

    PYTHONPATH=. python benchmarks/mosaic/slivers.py
    PYTHONPATH=OTHER_CHECKOUT python benchmarks/mosaic/slivers.py
"""

from __future__ import annotations

import numpy as np

from endotwin.generator.labelled import LabelledArchitecture, LabelledGenerator
from endotwin.generator.latents import draw_normals
from endotwin.image_range import ImageRange
from endotwin.mosaic.parameters import Conditions, Range

IMAGES = 200
DENSITIES = (1000.0, 2500.0, 4500.0)
FORMS = (
    (0.15, 0.40),
    (0.15, 0.85),
    (0.30, 0.36),
    (0.30, 0.56),
    (0.45, 0.35),
    (0.60, 0.35),
    (0.60, 0.50),
    (0.60, 0.68),
)
"""Values of cv and hexagonality."""


def fixed(value: float) -> Range:
    return Range(low=value, high=value)


def pixel_aspects(instances: np.ndarray) -> np.ndarray:
    """Return the aspect ratio of every cell that the image's edge does not cut, by its second moments.

    A pixel is a square, not a point: its own moments are added.
    """
    ids = instances.ravel().astype(np.int64)
    y, x = (part.ravel() + 0.5 for part in np.indices(instances.shape))
    count = np.maximum(np.bincount(ids), 1)

    def mean(values: np.ndarray) -> np.ndarray:
        found: np.ndarray = np.bincount(ids, values) / count
        return found

    xx = mean(x * x) - mean(x) ** 2 + 1.0 / 12.0
    yy = mean(y * y) - mean(y) ** 2 + 1.0 / 12.0
    xy = mean(x * y) - mean(x) * mean(y)
    middle, half = 0.5 * (xx + yy), np.hypot(0.5 * (xx - yy), xy)
    whole = np.bincount(ids) > 0
    whole[0] = False
    for edge in (instances[0], instances[-1], instances[:, 0], instances[:, -1]):
        whole[edge] = False
    return np.sqrt((middle + half)[whole] / (middle - half)[whole])


def main() -> None:
    """Print a Markdown table."""
    print("| cv | hexagonality | cells | above 2.5 | above 3 | greatest | images with one above 3 |")
    print("|---|---|---|---|---|---|---|")
    forms = {"open | open": Conditions()} | {
        f"{cv:.2f} | {hexagonality:.2f}": Conditions(cv=fixed(cv), hexagonality=fixed(hexagonality))
        for cv, hexagonality in FORMS
    }
    generator = LabelledGenerator(LabelledArchitecture())
    for name, form in forms.items():
        aspects = []
        for density in DENSITIES:
            conditions = form if form.cv is None else form.model_copy(update={"density": fixed(density)})
            draws = draw_normals(ImageRange(int(density), 0, IMAGES), generator.draws)
            for scene in generator.draw_scenes(draws, conditions):
                aspects.append(pixel_aspects(scene.label().instances))
        pooled = np.concatenate(aspects)
        images = np.mean([each.max(initial=0.0) > 3.0 for each in aspects])
        shares = " | ".join(f"{(pooled > limit).mean():.3%}" for limit in (2.5, 3.0))
        print(f"| {name} | {len(pooled):,} | {shares} | {pooled.max():.1f} | {images:.1%} |")


if __name__ == "__main__":
    main()
