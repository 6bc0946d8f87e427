"""Fields larger than 128 × 128, beside images of 128 × 128: FID, conditions, time and memory.

Run it as `python -m benchmarks.field_sizes --data ../shared/data`; see docs/mosaic.md for what it found.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from endotwin.field_size import STANDARD, FieldSize
from endotwin.generator.checkpoint import Checkpoint, load_checkpoint
from endotwin.generator.sampler import Sampler
from endotwin.image_range import IMAGE_SIZE, ImageRange
from endotwin.mosaic.parameters import Conditions, Parameters
from endotwin.process_environment import GENERATING, restart_with
from endotwin.samples.conditions import parse_conditions
from training.data.sources import chosen_sources
from training.scores.evaluation import load_sources
from training.scores.fid import features, fid_from_features
from training.scores.image_sets import ImageSets
from training.scores.inception import load_inception

FIELD = FieldSize(512, 512)
CONDITIONS: tuple[dict[str, str], ...] = (
    {},
    {"density": "1200", "cv": "0.25", "hexagonality": "0.6", "clarity": "25"},
    {"density": "2500", "cv": "0.35", "hexagonality": "0.5", "guttae": "0.1"},
    {"density": "4000", "cv": "0.2", "hexagonality": "0.75", "clarity": "8"},
)
MEASURED = ("density", "cv", "hexagonality", "guttae", "clarity")
COSTS = (STANDARD, FieldSize(256, 256), FieldSize(512, 512), FieldSize(1024, 1024))
_FIELDS_OF_COST = 64 * IMAGE_SIZE**2
"""Pixels that a measurement of time takes, at least one field."""


def field_crops(sampler: Sampler, seed: int, count: int, per_field: int) -> np.ndarray:
    """Return random crops of fields of 512 × 512, uint8 (count, 128, 128), as many of each field."""
    random = np.random.default_rng([seed, 512])
    conditions = Conditions(size=FIELD)
    crops = []
    for batch in sampler.batches(ImageRange(seed, 0, -(-count // per_field)), conditions):
        for image in batch.images:
            for top, left in random.integers(0, 512 - IMAGE_SIZE + 1, (per_field, 2)):
                crops.append(image[top : top + IMAGE_SIZE, left : left + IMAGE_SIZE])
    return np.stack(crops[:count])


def compare_fids(checkpoint: Checkpoint, data: Path, count: int, per_field: int) -> None:
    """Print the FID of images and of crops of fields against the same real crops."""
    sources, where = chosen_sources(checkpoint.card, data=data, file=None)
    dataset = load_sources(checkpoint.card, sources, where)
    sets = ImageSets(checkpoint, dataset, count=count)
    real = sets.features("training")
    model, _ = load_inception(None)
    of_images = fid_from_features(sets.features("generated"), real)
    crops = field_crops(sets.sampler, sets.seed, count, per_field)
    of_crops = fid_from_features(features(crops, model), real)
    print(
        f"FID, {count} against {count} training crops: images of 128 x 128 {of_images:.2f}, random crops "
        f"of {-(-count // per_field)} fields of {FIELD} {of_crops:.2f} ({of_crops - of_images:+.2f})",
        flush=True,
    )


def compare_conditions(sampler: Sampler, fields: int) -> None:
    """Print the errors of what was measured against what was asked for, by size."""
    print("conditions asked, size: mean and standard deviation of measured less asked", flush=True)
    for asked in CONDITIONS:
        for size in (STANDARD, FIELD):
            conditions = parse_conditions({**asked, "size": str(size)})
            errors: dict[str, list[float]] = {name: [] for name in MEASURED}
            for batch in sampler.batches(ImageRange(7, 0, fields), conditions):
                for label in batch.labels():
                    for name in MEASURED:
                        errors[name].append(_error(name, label.asked, getattr(label.measured, name)))
            found = ", ".join(
                f"{name} {np.nanmean(values):+.3f} ± {np.nanstd(values):.3f}"
                for name, values in errors.items()
            )
            print(f"{asked or 'open'}, {size}: {found}", flush=True)


def _error(name: str, asked: Parameters, measured: float | None) -> float:
    """Return the error: of density relative to it, else in its own unit."""
    wanted = getattr(asked, name)
    if measured is None or wanted is None:
        return float("nan")
    return float((measured - wanted) / wanted if name == "density" else measured - wanted)


def print_cost(path: Path, size: FieldSize) -> None:
    """Print processor time for each 128 × 128 pixels and the most memory of this process; run it alone."""
    sampler = Sampler(load_checkpoint(path, require_fid=False), "cpu")
    conditions = parse_conditions({"size": str(size), "guttae": "0.05"})
    count = max(_FIELDS_OF_COST // size.pixels, 1)
    list(sampler.batches(ImageRange(3, 0, 1), conditions))
    began = time.process_time()
    for batch in sampler.batches(ImageRange(3, 16, count), conditions):
        batch.labels()
    taken = 1000.0 * (time.process_time() - began) * IMAGE_SIZE**2 / (count * size.pixels)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{size}: {taken:.1f} ms of one core for each 128 x 128 pixels with labels, {peak:.0f} MiB at most"
    )


def main(
    checkpoint: Annotated[Path, typer.Option(help="A labelled checkpoint.")] = Path(
        "checkpoints/labelled.safetensors"
    ),
    data: Annotated[
        Path | None, typer.Option(help="Folder of the training images; without, no FID.")
    ] = None,
    count: Annotated[int, typer.Option(help="Images on either side of the FID.")] = 1000,
    per_field: Annotated[int, typer.Option(help="Crops of each field for the FID.")] = 4,
    fields: Annotated[int, typer.Option(help="Fields for each of the conditions; 0 leaves them out.")] = 30,
    cost: Annotated[bool, typer.Option(help="Measure time and memory, each size in a process.")] = True,
    cost_of: Annotated[str | None, typer.Option(hidden=True)] = None,
) -> None:
    """Compare fields with images of 128 × 128."""
    if cost_of is not None:
        width, height = map(int, cost_of.split("x"))
        print_cost(checkpoint, FieldSize(width, height))
        return
    loaded = load_checkpoint(checkpoint, require_fid=False)
    if fields > 0:
        compare_conditions(Sampler(loaded, "cpu"), fields)
    if cost:
        for size in COSTS:
            command = [sys.executable, "-m", "benchmarks.field_sizes", "--checkpoint", str(checkpoint)]
            subprocess.run([*command, "--cost-of", str(size)], check=True)
    if data is not None:
        compare_fids(loaded, data, count, per_field)


if __name__ == "__main__":
    restart_with(GENERATING)
    typer.run(main)
