"""The error of the segmentation on cells that are known: an expert's borders, or the labels of a generator.

    python -m training.scores.cells.error checkpoints/compact.toml

prints the errors on every image of the sources with expert borders, and on every other one of each source
(the constants of `training.scores.cells.segmentation` were chosen on the first, third, …).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from endotwin.mosaic.labels import Label
from endotwin.mosaic.morphometry import measure_cells
from endotwin.segmentation.cells import cells_from_borders
from training.data.sources import Sources, read_sources
from training.scores.cells.record import PER_PIXELS, MethodError, ParameterError
from training.scores.cells.segmentation import WholeCells, cells_from_image, join_cells
from training.trial.annotated_images import AnnotatedImage, is_annotated, read_annotated
from training.trial.borders import thick
from training.trial.cells import count_cells
from training.trial.segmentation_scores import relative_error

_IMAGES_PER_GROUP = 16
"""Images of a generator that are compared with their labels together: one image holds too few cells."""


def read_experts(sources: Sources) -> list[AnnotatedImage]:
    """Read every image of the sources that has expert borders, source by source in order of names.

    Args:
        sources: with `images`, `borders` and `cells` in each folder that has borders.

    Raises:
        DataError: an annotation cannot be read or does not fit its image; the message names the file.
    """
    found = []
    for folder in sources.folders:
        root = folder.path.parent if folder.path.name == "images" else folder.path
        if (root / "images").is_dir():
            names = sorted(path.name for path in (root / "images").iterdir())
            found += [read_annotated(root, name) for name in names if is_annotated(root, name)]
    return found


def expert_error(images: Sequence[AnnotatedImage]) -> MethodError:
    """Compare with an expert's borders: density, CV and share of hexagons of each image.

    Cells are taken from the expert's lines as `training.trial.segmentation_scores` does, and both are
    measured in the annotated area alone.

    Args:
        images: at least one.
    """
    rows, cells = [], 0
    for image in images:
        known = count_cells(cells_from_borders(thick(image.lines)), image.area)
        found = count_cells(cells_from_image(image.pixels), image.area)
        cells += known.cells
        rows.append(
            (
                relative_error(found.density, known.density),
                relative_error(found.cv, known.cv),
                relative_error(found.hexagonality, known.hexagonality),
            )
        )
    return _method_error("expert borders, image by image", len(images), cells, rows)


def label_error(found: Sequence[WholeCells], labels: Sequence[Label]) -> MethodError | None:
    """Compare with the exact cells of a generator's labels, in groups of 16 images.

    Images with guttae are left out: the label shows what a gutta hides.

    Args:
        found: the cells of each image.
        labels: its label.

    Returns:
        None with fewer than 16 images without guttae.
    """
    clear = [pair for pair in zip(found, labels, strict=True) if pair[1].measured.guttae == 0.0]
    rows, cells = [], 0
    for first in range(0, len(clear) - _IMAGES_PER_GROUP + 1, _IMAGES_PER_GROUP):
        group = clear[first : first + _IMAGES_PER_GROUP]
        counted = [cell for _, label in group for cell in label.cells if cell.counted]
        known = measure_cells(
            np.array([cell.area for cell in counted]), np.array([cell.sides for cell in counted])
        )
        seen = join_cells([own for own, _ in group]).measure()
        cells += len(counted)
        rows.append(
            (
                relative_error(seen.density(PER_PIXELS), known.density(PER_PIXELS)),
                relative_error(seen.cv, known.cv),
                relative_error(seen.hexagonality, known.hexagonality),
            )
        )
    if not rows:
        return None
    return _method_error(
        f"exact labels, in groups of {_IMAGES_PER_GROUP} generated images without guttae",
        _IMAGES_PER_GROUP * len(rows),
        cells,
        rows,
    )


def _method_error(
    truth: str, images: int, cells: int, rows: Sequence[tuple[float | None, ...]]
) -> MethodError:
    of_density, of_cv, of_hexagons = (_parameter_error(column) for column in zip(*rows, strict=True))
    return MethodError(
        truth=truth, images=images, cells=cells, density=of_density, cv=of_cv, hexagonality=of_hexagons
    )


def _parameter_error(errors: Sequence[float | None]) -> ParameterError | None:
    known = [round(error, 4) for error in errors if error is not None]
    if not known:
        return None
    return ParameterError(
        median=round(float(np.median(known)), 4),
        median_size=round(float(np.median(np.abs(known))), 4),
        errors=tuple(known),
    )


def _print_errors(sources: Sources) -> None:
    halves: tuple[list[AnnotatedImage], list[AnnotatedImage]] = ([], [])
    for folder in sources.folders:
        for k, image in enumerate(read_experts(Sources((folder,)))):
            halves[k % 2].append(image)
    for name, images in (
        ("all", [*halves[0], *halves[1]]),
        ("first, third, …", halves[0]),
        ("second, fourth, …", halves[1]),
    ):
        error = expert_error(images)
        for parameter in ("density", "cv", "hexagonality"):
            found: ParameterError | None = getattr(error, parameter)
            if found is not None:
                print(
                    f"{name:<18} {error.images} images, {error.cells} cells, {parameter:<12} "
                    f"median {found.median:+.1%}, of the size {found.median_size:.1%}"
                )


if __name__ == "__main__":
    _print_errors(read_sources(Path(sys.argv[1])))
