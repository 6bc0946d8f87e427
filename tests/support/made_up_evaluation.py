"""A checkpoint of made-up images, evaluated once at a count that takes seconds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from made_up_images import write_blobs
from tiny_checkpoints import make_card, save_tiny

from endotwin.generator.card import Card
from training.data.split import Dataset, ImageFolder, load_dataset
from training.scores.inception import find_weights
from training.scores.request import EvaluationRequest, InceptionError
from training.scores.run import EvaluationResult, run_evaluation

COUNT = 6
"""The fewest images of a quick look."""


@dataclass(frozen=True)
class MadeUp:
    """Images, a checkpoint that says it was trained on them, and what an evaluation found.

    Attributes:
        folder: holds the source `made-up`.
        dataset: its images.
        checkpoint: the checkpoint's path.
        card: its card.
        request: what was asked.
        done: what came of it.
    """

    folder: Path
    dataset: Dataset
    checkpoint: Path
    card: Card
    request: EvaluationRequest
    done: EvaluationResult


def card_of(dataset: Dataset, name: str = "tiny") -> Card:
    """Return the card of a checkpoint that was trained on these images; its FID is of 3,000 images."""
    card = make_card(name)
    data = card.data.model_copy(
        update={
            "image_list_sha256": dataset.digest,
            "sources": dataset.sources,
            "validation_share": dataset.validation_share,
        }
    )
    return card.model_copy(update={"data": data})


def evaluate_made_up(tmp_path_factory: pytest.TempPathFactory) -> MadeUp:
    """Make it all; skip where there are no Inception weights."""
    try:
        find_weights()
    except InceptionError as error:
        pytest.skip(str(error).splitlines()[0])
    folder = tmp_path_factory.mktemp("data")
    write_blobs(folder / "made-up")
    dataset = load_dataset([ImageFolder(folder / "made-up")], validation_share=0.2)
    card = card_of(dataset)
    checkpoint = save_tiny(tmp_path_factory.mktemp("checkpoints"), card)
    request = EvaluationRequest(
        checkpoint=checkpoint,
        data=folder,
        output=tmp_path_factory.mktemp("out"),
        count=COUNT,
        seed=5,
        cache=tmp_path_factory.mktemp("features"),
        quiet=True,
    )
    return MadeUp(folder, dataset, checkpoint, card, request, run_evaluation(request))
