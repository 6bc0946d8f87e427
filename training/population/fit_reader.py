"""Train the border reader that ships, or one for a domain that it has not seen.

    python -m training.population.fit_reader ../shared/data -o training/population/reader.safetensors
    python -m training.population.fit_reader ../shared/data --without cwru -o out/readers/cwru.safetensors

It is the trial's segmenter (`training.trial.segmenter`), trained on annotated images that are brought to
about one size of cells, a quarter smaller to a third larger.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import torch
from safetensors.torch import save_file

from training.population.border_map import READER_SIDE
from training.progress import show_progress
from training.random_streams import Purpose
from training.trial.annotated_images import SMALLEST, AnnotatedImage, is_annotated, read_annotated, resized
from training.trial.batches import RealBatches
from training.trial.segmenter import train_segmenter
from training.trial.trial_data import TrainingSet

DOMAINS = ("gavet", "cwru", "confocal", "alizarine")
"""Annotated sources whose terms of use are stated."""

STEPS = 500
LEARNING_RATE = 3e-3
SCALES = (0.75, 0.9, 1.0, 1.15, 1.35)
"""Sizes of cells that each image is trained at, relative to `READER_SIDE`."""


def read_domain(folder: Path) -> list[AnnotatedImage]:
    """Read every annotated image of a folder, in order of names."""
    files = sorted(path.name for path in (folder / "images").iterdir() if is_annotated(folder, path.name))
    return [read_annotated(folder, file) for file in files]


def train_reader(
    data: Path, domains: list[str], *, seed: int, steps: int, quiet: bool = False
) -> dict[str, torch.Tensor]:
    """Train a reader on the annotated images of some folders below `data`; return its weights."""
    sets = []
    for domain in domains:
        images = [
            resized(image, factor)
            for image in read_domain(data / domain)
            for factor in (scale * READER_SIDE / math.sqrt(image.cell_area) for scale in SCALES)
            if factor * min(image.pixels.shape) >= SMALLEST + 1
        ]
        sets.append(TrainingSet(domain, 1.0, images))
    batches = RealBatches(sets, seed, Purpose.TRIAL_CROPS)
    with show_progress(total=steps, disable=quiet) as bar:

        def show(loss: float) -> None:
            bar.update()
            bar.set_postfix(loss=f"{loss:.2f}")

        reader, _ = train_segmenter(
            batches.batch, seed=seed, steps=steps, learning_rate=LEARNING_RATE, device="cpu", progress=show
        )
    return {
        name: tensor.detach().to(torch.float16).contiguous() for name, tensor in reader.state_dict().items()
    }


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Train the border reader.")
    parser.add_argument("data", type=Path)
    parser.add_argument("--without", choices=DOMAINS)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=STEPS)
    arguments = parser.parse_args()
    domains = [domain for domain in DOMAINS if domain != arguments.without]
    weights = train_reader(arguments.data, domains, seed=0, steps=arguments.steps)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    save_file(weights, arguments.output)


if __name__ == "__main__":
    main()
