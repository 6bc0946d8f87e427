"""Results of single runs on disk, so that a stopped trial can be resumed."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from endotwin.files import whole_file
from endotwin.mosaic import expert_hand
from training.learning.run_folder import RunError
from training.trial import cells, segmentation_scores, segmenter
from training.trial.labelled_source import BLOCK
from training.trial.segmentation_scores import SetScore
from training.trial.settings import SYNTHETIC_SHARE, Arm, TrialSettings

_Model = TypeVar("_Model", bound=BaseModel)


class TrialSetup(BaseModel):
    """What all results of one folder have in common; only such results can be compared.

    Attributes:
        settings: the budget.
        protocol: see `protocol_text`.
        data_digest: of the real images and their roles.
    """

    model_config = ConfigDict(frozen=True)

    settings: TrialSettings
    protocol: str
    data_digest: str


class RunResult(BaseModel):
    """One segmenter's training and scores.

    Attributes:
        arm: how it was trained.
        source: name of the labelled source; None for an arm without one.
        seed: of weights and order.
        seconds: of training.
        device: where it was trained.
        losses: mean loss of each hundredth of the steps (of each step, below a hundred).
        sets: scores by test set.
    """

    model_config = ConfigDict(frozen=True)

    arm: Arm
    source: str | None
    seed: int
    seconds: float
    device: str
    losses: tuple[float, ...]
    sets: dict[str, SetScore]

    @property
    def label(self) -> str:
        """Name of the arm, with its source if it has one."""
        return label_of(self.arm, self.source)


def label_of(arm: Arm, source: str | None) -> str:
    """Return an arm's name in tables: with its source, if it has one."""
    return arm if source is None else f"{arm} ({source})"


class ResultFolder:
    """A folder of results of one setup; arms, sources and seeds may be added at any time."""

    def __init__(self, path: Path, setup: TrialSetup) -> None:
        """Open the folder, or create it.

        Raises:
            RunError: it holds results of another setup.
        """
        self.path = path
        file = path / "setup.json"
        if file.exists():
            found = _read(TrialSetup, file)
            changed = [
                name for name in TrialSetup.model_fields if getattr(found, name) != getattr(setup, name)
            ]
            if changed:
                raise RunError(
                    f"{path}: its results were made with another {' and another '.join(changed)} "
                    f"(see {file.name}) and cannot be compared with new ones; use another folder"
                )
        else:
            self.write(file.name, setup.model_dump_json(indent=2) + "\n")

    def has(self, arm: Arm, source: str | None, seed: int) -> bool:
        """Return whether a run is done."""
        return self._file(arm, source, seed).is_file()

    def add(self, result: RunResult) -> None:
        """Write a result, whole or not at all."""
        path = self._file(result.arm, result.source, result.seed)
        self.write(f"results/{path.name}", result.model_dump_json(indent=2) + "\n")

    def all(self) -> list[RunResult]:
        """Read all results, ordered by file name."""
        return [_read(RunResult, file) for file in sorted((self.path / "results").glob("[!.]*.json"))]

    def write(self, name: str, text: str) -> None:
        """Write a text file of the folder, whole or not at all."""
        with whole_file(self.path / name) as file:
            file.write(text.encode())

    def _file(self, arm: Arm, source: str | None, seed: int) -> Path:
        return self.path / "results" / f"{run_name(arm, source, seed)}.json"


def run_name(arm: Arm, source: str | None, seed: int) -> str:
    """Return the name of a run's files, without a suffix."""
    return "-".join([arm, *([source] if source is not None else []), f"seed{seed}"])


def _read(model: type[_Model], file: Path) -> _Model:
    try:
        return model.model_validate_json(file.read_text(encoding="utf-8"))
    except (ValidationError, UnicodeDecodeError) as error:
        raise RunError(f"{file}: not a file of this version; remove it to have it made again") from error


def protocol_text() -> str:
    """Return what no option changes, in words; only results of the same text are compared."""
    return (
        f"MONAI BasicUNet, features {segmenter.FEATURES}; batches of {BLOCK} crops of 128 × 128, each "
        "standardised; binary cross-entropy plus 1 - soft Dice in the annotated area; target: borders "
        "three pixels wide; Adam, one-cycle rate; turns, flips, blotches, patches of other contrast, "
        "gamma, contrast, brightness, blur and noise; synthetic borders displaced as by hand, by "
        f"{expert_hand.DISPLACEMENT:g} px smooth over "
        f"{expert_hand.DISPLACEMENT_BLUR:g} px and "
        f"{expert_hand.SHIFT:g} px as a whole (standard deviations along each axis). "
        f"synthetic-then-real: the first {SYNTHETIC_SHARE:.3f} of the steps synthetic. "
        f"Prediction in windows of 128 overlapping by {segmenter.OVERLAP:g}. Overlap: probability at least "
        f"{segmentation_scores.THRESHOLD:g}, thinned to lines, dilated 3 × 3, as the expert's, in the "
        f"annotated area. Cells: watershed on the probability blurred by {cells.SMOOTHING:g} px, basins "
        f"at least {cells.DEPTH:g} deep, counted if {cells.SHARE_INSIDE:g} of them lies in the annotated "
        "area, the same for the expert's borders; hexagonality of the cells whose neighbours all count."
    )
