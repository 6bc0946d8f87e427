"""How far cells measured without annotation are from the annotation, by a reader that never saw the domain.

    python -m benchmarks.population ../shared/data --readers out/readers

Each annotated domain is measured by a reader trained on the others (`training.population.fit_reader
--without`), strip and clinic by the one that ships, which saw neither. On clinic, where only centres are
known, the area is that of the Voronoi cells of the centres.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial import Voronoi

from endotwin.image_reading import read_grey
from endotwin.segmentation.cells import cells_from_borders
from training.population.border_map import READER_PATH, load_reader
from training.population.fit_reader import DOMAINS, read_domain
from training.population.measurement import find_side, measure_image
from training.population.population import ImageMeasures, Population, summarise
from training.trial.borders import thick
from training.trial.cells import count_cells

_FEWEST_CENTRES = 80


@dataclass(frozen=True)
class Known:
    """What the annotation of an image says."""

    pixels: np.ndarray
    area: float
    cv: float | None
    hexagonality: float | None
    cells: int


def annotated(folder: Path) -> Iterator[Known]:
    for image in read_domain(folder):
        counts = count_cells(cells_from_borders(thick(image.lines)), image.area)
        yield Known(
            image.pixels, counts.cell_pixels / counts.cells, counts.cv, counts.hexagonality, counts.cells
        )


def with_centres(folder: Path, step: int) -> Iterator[Known]:
    for path in sorted((folder / "centres").glob("*.csv"))[::step]:
        if len(path.read_text(encoding="utf-8").split()) <= _FEWEST_CENTRES:
            continue
        centres = np.genfromtxt(path, delimiter=",", skip_header=1)
        pixels = read_grey(folder / "images" / f"{path.stem}.jpg")
        areas = inner_areas(centres, pixels.shape)
        left, top = np.maximum(centres.min(axis=0).astype(int) - 8, 0)
        right, bottom = centres.max(axis=0).astype(int) + 8
        yield Known(pixels[top:bottom, left:right], float(np.mean(areas)), None, None, len(areas))


def inner_areas(centres: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return the areas of the Voronoi cells that are not at the rim of what was counted."""
    diagram = Voronoi(centres)
    areas = []
    for region in (diagram.regions[k] for k in diagram.point_region):
        if -1 in region or not region:
            continue
        corners = diagram.vertices[region]
        if (corners < 0).any() or (corners > np.array(shape[::-1])).any():
            continue
        x, y = corners.T
        areas.append(0.5 * abs(float(x @ np.roll(y, 1) - y @ np.roll(x, 1))))
    found = np.array(areas)
    return found[found < 2.5 * np.median(found)]


def compare(known: list[Known], reader: Path) -> tuple[Population, list[ImageMeasures]]:
    network = load_reader(reader)
    chosen = [known[k] for k in np.linspace(0, len(known) - 1, min(8, len(known))).round().astype(int)]
    side = find_side(network, [image.pixels for image in chosen])
    measured = [measure_image(network, image.pixels, side, str(k)) for k, image in enumerate(known)]
    return summarise(measured), measured


def weighted(values: list[float | None], weights: list[int]) -> float | None:
    pairs = [(value, weight) for value, weight in zip(values, weights, strict=True) if value is not None]
    if not pairs:
        return None
    numbers, counts = zip(*pairs, strict=True)
    return float(np.average(numbers, weights=counts))


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare measured cells with annotated ones.")
    parser.add_argument("data", type=Path)
    parser.add_argument("--readers", type=Path, default=Path("out/readers"))
    parser.add_argument("--domains", nargs="*", default=[*DOMAINS, "strip", "clinic"])
    parser.add_argument("--step", type=int, default=4, help="every so many images of clinic")
    parser.add_argument("--images", action="store_true", help="print every image")
    arguments = parser.parse_args()
    print(
        "| images of | reader without them | images | cells | area | cv | hexagonality | image by image |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for domain in arguments.domains:
        folder = arguments.data / domain
        known = list(with_centres(folder, arguments.step) if domain == "clinic" else annotated(folder))
        reader = arguments.readers / f"{domain}.safetensors" if domain in DOMAINS else READER_PATH
        found, measured = compare(known, reader)
        cells = [image.cells for image in known]
        area = float(np.median([image.area for image in known]))
        pairs = [
            (area, found.area, "{:.0f}"),
            (weighted([image.cv for image in known], cells), found.cv, "{:.3f}"),
            (weighted([image.hexagonality for image in known], cells), found.hexagonality, "{:.3f}"),
        ]
        shown = [
            "-" if a is None or b is None else f"{form.format(a)} → {form.format(b)}"
            for a, b, form in pairs
        ]
        by_image = [
            [abs(m.area / k.area - 1) for k, m in zip(known, measured, strict=True) if m.area],
            [abs(m.cv - k.cv) for k, m in zip(known, measured, strict=True) if m.cv and k.cv],
            [
                abs(m.hexagonality - k.hexagonality)
                for k, m in zip(known, measured, strict=True)
                if m.hexagonality and k.hexagonality
            ],
        ]
        errors = ", ".join(f"{np.median(e):.3f}" if e else "-" for e in by_image)
        trained = "yes" if domain in DOMAINS else "shipped"
        off = (found.area or 0.0) / area - 1.0
        print(
            f"| {domain} | {trained} | {found.readable} of {len(known)} | {found.cells} | "
            f"{shown[0]} ({off:+.1%}) | {shown[1]} | {shown[2]} | {errors} |",
            flush=True,
        )
        if arguments.images:
            print(found)
            for k, m in zip(known, measured, strict=True):
                print(f"   {k.area:.0f} {k.cv} {k.hexagonality} {k.cells}: {m}")


if __name__ == "__main__":
    main()
