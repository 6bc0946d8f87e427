"""Training runs small enough for tests; as a program, one that can be killed."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any

import torch

from endotwin.generator.checkpoint import Checkpoint
from endotwin.generator.compact import MosaicArchitecture
from endotwin.generator.dcgan import DcganArchitecture
from endotwin.generator.labelled import LabelledArchitecture
from training.data.split import Dataset, ImageFolder, load_dataset
from training.learning.run_folder import RunFolder
from training.learning.saved_run import SavedRun
from training.learning.settings import TrainingSettings
from training.learning.trainer import ReportIntervals, Trainer

BATCH = 4
SAVE_EVERY = 5 * BATCH
REPORTING = ReportIntervals(statistics=BATCH, save=SAVE_EVERY, samples=0, score=0)
"""A line of statistics for every step."""

SETTINGS = {
    "dcgan": TrainingSettings(
        name="tiny",
        architecture=DcganArchitecture(latent=8, channels=(16, 16, 8, 8, 8)),
        recipe="paper",
        batch=BATCH,
        average_half_life=16,
        seed=3,
    ),
    "mosaic": TrainingSettings(
        name="tiny",
        architecture=MosaicArchitecture(latent=8, width=8),
        recipe="projected",
        batch=BATCH,
        average_half_life=16,
        seed=3,
    ),
    "labelled": TrainingSettings(
        name="tiny",
        architecture=LabelledArchitecture(latent=8, width=8),
        recipe="rendered",
        batch=BATCH,
        average_half_life=16,
        seed=3,
    ),
}


def load(data: Path) -> Dataset:
    return load_dataset([ImageFolder(data)])


def start(
    kind: str, dataset: Dataset, runs: Path, beginning: Checkpoint | SavedRun | None = None, **changes: Any
) -> Trainer:
    """Start or resume a tiny run on the CPU, with changed settings if need be."""
    settings = SETTINGS[kind].model_copy(update=changes)
    folder = RunFolder.of(runs, settings, dataset.digest)
    return Trainer(settings, dataset, folder, "cpu", beginning=beginning)


def flat_state(trainer: Trainer) -> dict[str, Any]:
    """Return everything in a run's saved state by path, but the time that it took."""
    state = trainer.folder.load_state("cpu")
    assert state is not None
    flat: dict[str, Any] = {}

    def visit(path: str, value: Any) -> None:
        if isinstance(value, dict):
            for key, part in value.items():
                visit(f"{path}/{key}", part)
        elif isinstance(value, list | tuple):
            for key, part in enumerate(value):
                visit(f"{path}/{key}", part)
        else:
            flat[path] = value

    visit("", state)
    del flat["/seconds"]
    return flat


def assert_same_state(one: Trainer, other: Trainer) -> None:
    """Check that two runs' saved states are equal, bit for bit."""
    first, second = flat_state(one), flat_state(other)
    assert first.keys() == second.keys()
    for path, value in first.items():
        if isinstance(value, torch.Tensor):
            assert torch.equal(value, second[path]), path
        else:
            assert value == second[path], path


def weights_digest(trainer: Trainer) -> str:
    """Digest of the weights of both networks and of the average."""
    digest = hashlib.sha256()
    for network in (trainer.generator, trainer.average, trainer.recipe.discriminator):
        for parameter in network.parameters():
            digest.update(parameter.detach().contiguous().numpy().tobytes())
    return digest.hexdigest()


def main(kind: str, data: str, runs: str, until: str) -> None:
    """Train until `until` images."""
    trainer = start(kind, load(Path(data)), Path(runs))
    trainer.train(int(until), REPORTING)


if __name__ == "__main__":
    main(*sys.argv[1:])
