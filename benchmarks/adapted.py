"""How far images are from those of one's own microscope, before and after `endotwin-training adapt`.

Run it as `python -m benchmarks.adapted MINE.safetensors …`; see README.md in this folder.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from endotwin.generator.checkpoint import Checkpoint, load_checkpoint
from endotwin.generator.sampler import Sampler
from endotwin.process_environment import MEMORY, restart_with
from training.adapt.work_folder import WorkFolder
from training.data.split import Dataset, ImageFolder, load_dataset
from training.scores.fid import cached_features, fid_from_features, generated_features
from training.scores.image_sets import draw_training_crops
from training.scores.inception import load_inception

_SEED = 1


def main(
    adapted: Annotated[
        list[Path], typer.Argument(help="Adapted checkpoints, each beside its NAME.private.")
    ],
    start: Annotated[Path, typer.Option(help="The checkpoint before.")] = Path(
        "checkpoints/labelled.safetensors"
    ),
    count: Annotated[int, typer.Option(min=2, help="Images on either side; FID falls as it grows.")] = 512,
) -> None:
    """Print the FID against crops of the images that were trained on, before and after."""
    restart_with(MEMORY)
    model, sha256 = load_inception()

    def features_of(checkpoint: Checkpoint) -> np.ndarray:
        return generated_features(Sampler(checkpoint), _SEED, 0, count, model, sha256)

    before = features_of(load_checkpoint(start, require_fid=False))
    typer.echo(f"| {count} images against {count} | FID before | after | crops against crops |")
    typer.echo("|---|---|---|---|")
    for path in adapted:
        checkpoint = load_checkpoint(path, require_fid=False)
        dataset = _training_images(path, checkpoint)
        crops, others = (
            cached_features(draw_training_crops(dataset, count, draw=draw), model, sha256)
            for draw in (0, 1)
        )
        scores = [fid_from_features(of, crops) for of in (before, features_of(checkpoint), others)]
        typer.echo(
            f"| {checkpoint.card.name}, {len(dataset.training)} images | "
            f"{' | '.join(f'{score:.1f}' for score in scores)} |"
        )


def _training_images(path: Path, checkpoint: Checkpoint) -> Dataset:
    """Read the images that a checkpoint was adapted to, split as for its training."""
    source = checkpoint.card.data.sources[0]
    folders = list(WorkFolder(path).path.glob(f"training-*/{source.name}"))
    if len(folders) != 1:
        raise typer.BadParameter(
            f"{path}: {len(folders)} folders of training images beside it, one is needed"
        )
    return load_dataset([ImageFolder(folders[0], keep_folders_together=source.keep_folders_together)])


if __name__ == "__main__":
    typer.run(main)
