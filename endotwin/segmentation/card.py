"""The card of a segmenter: what it was trained on, how, and how good it was on which images."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from endotwin.generator.card_file import Record


class TrainingSet(Record):
    """The labelled set that a segmenter was trained on; null where the set did not say."""

    name: str = Field(description="of the file or folder, never its path")
    images: int = Field(ge=1, description="images trained on")
    validation: int = Field(ge=1, description="images that told when to stop")
    sha256: str = Field(description="digest of images and labels")
    model: str | None = Field(description="that made the images")
    generator_sha256: str | None = Field(description="digest of that model")
    seed: int | None = Field(description="of the images")
    conditions: dict[str, str] | None = Field(description="that they meet")
    cell_side: float = Field(gt=0, description="root of the mean area of a typical cell, pixels")


class Learning(Record):
    """How a segmenter was trained."""

    method: str
    steps: int = Field(ge=0)
    best_step: int = Field(ge=0, description="the weights are those after this one")
    loss: float = Field(description="of the best weights, on the validation part")
    ended: str
    seconds: float = Field(ge=0)
    seed: int
    device: str
    versions: dict[str, str]


class SetScore(Record):
    """How good a segmenter was on annotated images; medians and means are over images."""

    name: str
    real: bool = Field(description="photographs, not generated images")
    images: int = Field(ge=1)
    told: int = Field(ge=0, description="of these, images of which a density is told")
    f1: float = Field(description="share of cells that are right, mean")
    density_error: float | None = Field(description="relative, without its sign, mean")
    density_error_median: float | None
    density_bias: float | None = Field(description="relative, mean; positive: too many cells")
    cv_error: float | None = Field(description="as the density's, mean")
    hexagonality_error: float | None

    def text(self) -> str:
        """Return the two scores that count most."""
        error = "" if self.density_error is None else f", {self.density_error:.0%}"
        return f"{self.f1:.2f}{error}"


class SegmenterCard(Record):
    """Everything a reader of a segmenter has to know; stored as JSON in the file's header."""

    schema_version: Literal[1] = 1
    description: str
    created: str = Field(description="date, ISO 8601")
    training_set: TrainingSet
    learning: Learning
    terms: str = Field(description="terms of use")
    scores: tuple[SetScore, ...] = ()
    protocol: str = Field(default="", description="how the scores were measured")

    def notice(self) -> list[str]:
        """Return what everyone who uses the segmenter is told, a line each."""
        learned = self.training_set
        of = f"synthetic images of the model {learned.model}" if learned.model else "images"
        lines = [f"For research, not for diagnosis. Trained on {learned.images} {of}, and on nothing else."]
        real = [score for score in self.scores if score.real]
        if not real:
            return [*lines, "Nobody has measured how good it is on real images."]
        found = "; ".join(f"{score.name} {score.text()}" for score in real)
        return [
            *lines,
            f"On real images that it has not seen, cells found (F1) and density error: {found}.",
        ]
