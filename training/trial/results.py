"""Segmenters and scores on disk, named by digests of what they depend on, so that nothing is done twice."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TypeVar

import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors.torch import load, save

from endotwin.files import whole_file
from endotwin.mosaic import expert_hand
from endotwin.segmentation import cells as basins
from endotwin.segmentation import network, windows
from training.learning.run_folder import RunError, RunFolder
from training.trial import (
    cell_matches,
    cells,
    counted_images,
    segmentation_scores,
    test_sets,
    trial_data,
)
from training.trial.convergence import Convergence
from training.trial.labelled_source import BLOCK
from training.trial.segmentation_scores import ImageScore
from training.trial.segmenter_augmentation import MOVES
from training.trial.settings import TrialSettings

_Model = TypeVar("_Model", bound=BaseModel)


class TrainedSegmenter(BaseModel):
    """How a segmenter came about.

    Attributes:
        digest: of all that its weights follow from.
        label: of the arm that it was first trained for.
        seed: of weights and order.
        after: digest of the segmenter that it began as.
        cell_area: of the cells that it learned, square pixels.
        convergence: how its training went.
        device: where it was trained.
        versions: of libraries.
    """

    model_config = ConfigDict(frozen=True)

    digest: str
    label: str
    seed: int
    after: str | None
    cell_area: float
    convergence: Convergence
    device: str
    versions: dict[str, str]


class SetResult(BaseModel):
    """The scores of a segmenter on one test set.

    Attributes:
        zoom: size at which it saw the images, relative to the size at which they are scored.
        images: the scores of each.
    """

    model_config = ConfigDict(frozen=True)

    zoom: float
    images: tuple[ImageScore, ...]


class ResultFolder:
    """A folder of segmenters and scores; any number of sessions may add to it, one after another."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def segmenter(self, digest: str) -> TrainedSegmenter | None:
        """Return how a segmenter came about; None if it is not trained yet."""
        return _read(TrainedSegmenter, self._segmenter_path(digest) / "segmenter.json")

    def weights(self, digest: str) -> dict[str, torch.Tensor]:
        """Return the weights of a segmenter that is trained."""
        return load((self._segmenter_path(digest) / "segmenter.safetensors").read_bytes())

    def unfinished(self, digest: str) -> RunFolder:
        """Return the folder of a segmenter that is being trained."""
        folder = RunFolder(self._segmenter_path(digest))
        folder.path.mkdir(parents=True, exist_ok=True)
        return folder

    def add_segmenter(self, trained: TrainedSegmenter, weights: dict[str, torch.Tensor]) -> None:
        """Write a segmenter and drop the state of its training."""
        folder = self._segmenter_path(trained.digest)
        with whole_file(folder / "segmenter.safetensors") as file:
            file.write(save({name: part.cpu().contiguous() for name, part in weights.items()}))
        self._write(folder / "segmenter.json", trained)
        RunFolder(folder).state_path.unlink(missing_ok=True)

    def scores(self, segmenter_digest: str, test_digest: str) -> SetResult | None:
        """Return the scores of a segmenter on a test set; None if there are none yet."""
        return _read(SetResult, self._scores_path(segmenter_digest, test_digest))

    def add_scores(self, segmenter_digest: str, test_digest: str, result: SetResult) -> None:
        """Write the scores of a segmenter on a test set."""
        self._write(self._scores_path(segmenter_digest, test_digest), result)

    def write_text(self, name: str, text: str) -> None:
        """Write a text file of the folder, whole or not at all."""
        with whole_file(self.path / name) as file:
            file.write(text.encode())

    def _segmenter_path(self, digest: str) -> Path:
        return self.path / "segmenters" / digest

    def _scores_path(self, segmenter_digest: str, test_digest: str) -> Path:
        key = hashlib.sha256(f"{segmenter_digest} {test_digest} {scoring_text()}".encode()).hexdigest()
        return self.path / "scores" / f"{key[:16]}.json"

    def _write(self, path: Path, content: BaseModel) -> None:
        self.write_text(str(path.relative_to(self.path)), content.model_dump_json(indent=1) + "\n")


def segmenter_digest(settings: TrialSettings, seed: int, stage: str, after: str | None) -> str:
    """Return the name of a segmenter: 16 hexadecimal digits of all that its weights follow from.

    Args:
        settings: when training ends.
        seed: of weights and order.
        stage: digest of the images.
        after: digest of the segmenter that it begins as.
    """
    parts = [training_text(), settings.model_dump(), seed, stage, after]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def training_text() -> str:
    """Return how every segmenter is trained, in words; another text gives other digests."""
    return (
        f"MONAI BasicUNet, features {network.FEATURES}; batches of {BLOCK} crops of 128 × 128, each "
        "standardised; binary cross-entropy plus 1 - soft Dice in the annotated area; target: borders "
        f"three pixels wide; Adam; {MOVES}, blotches, patches of other contrast, gamma, contrast, "
        "brightness, blur and noise; synthetic borders displaced as by hand, by "
        f"{expert_hand.DISPLACEMENT:g} px smooth over "
        f"{expert_hand.DISPLACEMENT_BLUR:g} px and "
        f"{expert_hand.SHIFT:g} px as a whole (standard deviations along each axis); set aside "
        f"to judge: {trial_data.VALIDATION_SHARE:g} of the real images of each source (of each image, "
        "below five), synthetic images that are not trained on."
    )


def scoring_text() -> str:
    """Return how every segmenter is scored, in words; another text scores anew."""
    return (
        f"Prediction in windows of 128 overlapping by {windows.OVERLAP:g}, at the size of cells that was "
        f"learned if it differs by more than {test_sets.ALIKE:g}. Cells: watershed on the probability "
        f"blurred by {basins.SMOOTHING:g} px, basins at least {basins.DEPTH:g} deep, the same for an "
        f"expert's borders. Found: overlap (IoU) {cell_matches.IOU:g} with an expert's cell, or one "
        "centre in it and no other; cells that lie in the annotated area, or the hull of the centres, by "
        f"less than {cells.SHARE_INSIDE:g} are not held against it. Density: cells over their area; with "
        "centres, over the hull without its outermost cells, a cell cut by its edge counting in part, "
        "against the territories of the centres; images with fewer than "
        f"{counted_images.FEWEST_CENTRES} centres are left out. Borders: probability at least "
        f"{segmentation_scores.THRESHOLD:g}, thinned to lines, within {segmentation_scores.TOLERANCE:g} px "
        "of the expert's and the other way round. Hexagonality of the cells whose neighbours all count."
    )


def _read(model: type[_Model], file: Path) -> _Model | None:
    try:
        return model.model_validate_json(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (ValidationError, UnicodeDecodeError) as error:
        raise RunError(f"{file}: not a file of this version; remove it to have it made again") from error
