"""Everything an evaluation found: `evaluation.json`, and what a card keeps of it.

    python -m training.scores.evidence > docs/evaluation.schema.json

writes the JSON schema.
"""

from __future__ import annotations

import json
import platform
from importlib.metadata import version
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from endotwin.generator.card import (
    CellSummary,
    EvidenceRecord,
    FidRecord,
    ImageStatistics,
    LabelStatistics,
    MemorisationSummary,
    MorphometrySummary,
)
from training.learning.recording import git_revision
from training.scores.cells.record import CellComparison, CellStatistics, Distances
from training.scores.comparisons import ComparisonName, SetComparison
from training.scores.feature_scores import (
    DENSITY_NEIGHBOURS,
    KID_SUBSET_SIZE,
    KID_SUBSETS,
    PRECISION_NEIGHBOURS,
)
from training.scores.image_sets import DRAWS
from training.scores.memorisation.record import Memorisation
from training.scores.run_history import RunHistory

_PACKAGES = ("endotwin", "torch", "pytorch-fid", "numpy", "scipy", "scikit-image", "pillow")


class Evidence(BaseModel):
    """The scores of a checkpoint beside their controls, and what they were made with."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: Literal[1] = 1
    command: str = Field(description="measures every number here again; paths are relative to where it ran")
    created: str = Field(description="date, ISO 8601")
    name: str = Field(description="of the checkpoint")
    checkpoint_sha256: str = Field(description="of the file that was evaluated")
    generator_sha256: str | None = Field(
        default=None, description="of what decides its pixels; None in files from before it was kept"
    )
    recorded_sha256: str | None = Field(
        description="of the file with this evidence in its card; None where it was not recorded"
    )
    image_list_sha256: str = Field(description="digest over the contents of all images used")
    recordable: bool = Field(description="false: a quick look at too few images")
    device: str
    versions: dict[str, str]
    count: int = Field(description="images on either side of every score")
    seed: int
    difference: float | None = Field(
        description="measured FID of the first draw minus that of the card; None without one at this count"
    )
    measured: FidRecord = Field(description="the first draw, as a card records it")
    recorded: FidRecord | None = Field(description="what the card says")
    comparisons: tuple[SetComparison, ...]
    statistics: ImageStatistics
    labels: LabelStatistics | None
    course: RunHistory | None = Field(description="None where no run folder was given")
    memorisation: Memorisation | None = Field(
        description="None where it was left out, or no images are held out to compare with"
    )
    morphometry: CellComparison | None = Field(description="None where it was left out")

    def comparison(self, name: ComparisonName) -> SetComparison | None:
        """Return a comparison by name; None for one that needs held-out images where there are none."""
        return next((comparison for comparison in self.comparisons if comparison.name == name), None)


def evidence_schema() -> str:
    """Return the JSON schema of `evaluation.json` as text, one line end after it."""
    return json.dumps(Evidence.model_json_schema(), indent=1, ensure_ascii=False) + "\n"


def versions() -> dict[str, str]:
    """Return the versions that a number depends on: Python's, the packages' and the code's own."""
    return {
        "python": platform.python_version(),
        **{package: version(package) for package in _PACKAGES},
        "git": git_revision(),
    }


def scores_protocol(count: int, seed: int) -> str:
    """Return how the scores beside FID are measured, for a card and for readers."""
    subsets = (
        f"{KID_SUBSETS} subsets of {KID_SUBSET_SIZE}" if count > KID_SUBSET_SIZE else "all images at once"
    )
    return (
        f"{DRAWS} draws of {count} images a side; generated images d * {count} to (d + 1) * {count} - 1 of "
        f"seed {seed} in draw d = 0, 1, 2; crops by numpy.random.default_rng([{seed}, k]), k = 1, 2, 5 "
        "training, 3, 6, 7 held-out, 4 noise (one set for all draws); real against real: the pairs of the "
        "three training draws. All on the 2048 Inception features of FID. KID: unbiased, kernel "
        f"(x.y / 2048 + 1)^3, {subsets}. Precision and "
        f"recall: k = {PRECISION_NEIGHBOURS}; density and coverage: k = {DENSITY_NEIGHBOURS}."
    )


def evidence_record(evidence: Evidence) -> EvidenceRecord:
    """Return what a checkpoint's card keeps of an evaluation."""
    summaries = {comparison.name: comparison.summary for comparison in evidence.comparisons}
    return EvidenceRecord(
        created=evidence.created,
        count=evidence.count,
        draws=DRAWS,
        seed=evidence.seed,
        protocol=scores_protocol(evidence.count, evidence.seed),
        generated_training=summaries["generated_training"],
        generated_held_out=summaries.get("generated_held_out"),
        real_real=summaries["real_real"],
        real_held_out=summaries.get("real_held_out"),
        noise_real=summaries["noise_real"],
        memorisation=None if evidence.memorisation is None else memorisation_summary(evidence.memorisation),
        morphometry=None if evidence.morphometry is None else _morphometry(evidence.morphometry),
        device=evidence.device,
        versions=evidence.versions,
    )


def memorisation_summary(found: Memorisation) -> MemorisationSummary:
    """Return what a card says of a memorisation."""
    return MemorisationSummary(
        verdict=found.verdict,
        images=found.generated_training.count,
        threshold=found.threshold,
        beyond=found.beyond,
        copies=found.copies,
        nearer_to_training=None if found.preference is None else found.preference.nearer_to_training,
    )


def _morphometry(found: CellComparison) -> MorphometrySummary:
    held_out = None
    if found.held_out is not None and found.held_out_training is not None:
        held_out = _cells(found.held_out, found.held_out_training)
    return MorphometrySummary(
        generated=_cells(found.generated, found.generated_training),
        training=_cells(found.training, found.training_training),
        held_out=held_out,
    )


def _cells(found: CellStatistics, distances: Distances) -> CellSummary:
    return CellSummary(
        cells=found.cells,
        density=found.density,
        cv=found.cv,
        hexagonality=found.hexagonality,
        area_distance=distances.area,
    )


if __name__ == "__main__":
    print(evidence_schema(), end="")
