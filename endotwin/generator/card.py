"""The card: what a checkpoint is, what it was trained on, how, and how well it scores."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from endotwin.generator.architectures import Architecture
from endotwin.generator.card_file import Record


class Source(Record):
    """One folder of training images."""

    name: str = Field(description="name of the folder, never its path")
    images: int = Field(ge=0, description="images trained on")
    held_out: int = Field(ge=0, description="images of the validation split, never trained on")
    left_out: int = Field(ge=0, description="files that could not be used")
    weight: float = Field(gt=0, description="share of the crops, relative to the other sources")
    region: tuple[float, float, float, float] = Field(
        default=(0.0, 0.0, 1.0, 1.0),
        description="part of every image that is used: left, top, right, bottom as shares of its size",
    )
    annotated: bool = Field(
        default=False, description="only the parts of images in which an expert has drawn cells are used"
    )
    keep_folders_together: bool = Field(
        default=False, description="images of one subfolder, as of one patient, were held out together"
    )
    citation: str = Field(default="", description="where the images come from")
    terms: str = Field(default="not stated", description="terms of use of the images")


class Data(Record):
    """What the generator was trained on."""

    sources: tuple[Source, ...]
    crop_size: int
    max_upscale: float = Field(ge=1.0, description="images smaller than the crop are enlarged up to this")
    image_list_sha256: str = Field(description="digest over the names and contents of all images used")
    split_seed: int
    validation_share: float = Field(ge=0, lt=1, description="share of each source's images held out")
    terms: str = Field(description="terms of use of the checkpoint that follow from its sources")


class Training(Record):
    """How the generator was trained."""

    recipe: str
    epochs: float = Field(ge=0, description="images seen / crops that tile the training images once")
    images_seen: int = Field(ge=0)
    seconds: float = Field(ge=0, description="time spent in training steps, over all resumed sessions")
    hardware: str
    torch: str
    git_revision: str
    seed: int
    start_from: str | None = Field(
        default=None, description="sha256 of the checkpoint whose weights training started from"
    )
    pretrained: str = Field(
        default="", description="pretrained networks that training used; none reaches the checkpoint"
    )


class FidScore(Record):
    """One Fréchet Inception distance and the counts it was measured at."""

    fid: float = Field(ge=0)
    first: str = Field(description="what was compared")
    second: str = Field(description="with what")
    first_count: int = Field(ge=2)
    second_count: int = Field(ge=2)

    @property
    def counts(self) -> tuple[int, int]:
        """Images on either side: only scores of equal counts compare."""
        return self.first_count, self.second_count


class FidRecord(Record):
    """The recorded score, and what it has to be read beside."""

    generated_training: FidScore = Field(description="the paper's protocol: against training crops")
    generated_held_out: FidScore | None = Field(description="against crops of the held-out images")
    real_real: FidScore = Field(description="two draws of training crops: the floor")
    real_held_out: FidScore | None = Field(description="training crops against held-out crops")
    noise_real: FidScore = Field(description="uniform noise against training crops")
    protocol: str
    precision: Literal["float32"] = "float32"
    inception_sha256: str
    pytorch_fid: str
    seed: int = Field(description="seed of the generated images and of the crops")
    device: str

    def difference_from(self, other: FidRecord) -> float | None:
        """Return this FID minus another one; None where counts or seeds differ: those do not compare."""
        own, then = self.generated_training, other.generated_training
        if self.seed != other.seed or own.counts != then.counts:
            return None
        return own.fid - then.fid


class ImageStatistics(Record):
    """What FID hides, on generated images and on real crops: repeated motifs and the power spectrum.

    Spectra are mean power spectra of grey levels in -1..1, in decades (log10), by frequency in cycles
    per image from 1 up: averaged over rings, along rows (horizontal) and along columns (vertical).
    """

    count: int
    generated_correlation: float = Field(description="mean |correlation| of different high-passed images")
    real_correlation: float
    generated_spectrum: dict[str, tuple[float, ...]]
    real_spectrum: dict[str, tuple[float, ...]]


class LabelStatistics(Record):
    """Where the images show the borders of their labels (`training.scores.border_displacement`)."""

    count: int = Field(description="images measured")
    displacement_median: float = Field(ge=0, description="median distance across the border, in pixels")
    displacement_within_one: float = Field(ge=0, le=1, description="share that is at most one pixel off")
    displacement_reach: float = Field(description="pixels searched to either side; half of it is chance")


class Spread(Record):
    """A score over several draws of images."""

    mean: float
    deviation: float = Field(ge=0, description="sample standard deviation over the draws")


class ScoreSummary(Record):
    """How far apart two kinds of images are, by every score on the same Inception features."""

    fid: Spread
    kid: Spread = Field(description="can be just below 0: it is unbiased")
    precision: Spread = Field(description="share of the first near the second")
    recall: Spread = Field(description="share of the second near the first")
    density: Spread = Field(description="how densely the second lies around the first; about 1 for equals")
    coverage: Spread = Field(description="share of the second with one of the first in its neighbourhood")


class MemorisationSummary(Record):
    """Whether generated images are copies of training crops (`training.scores.memorisation.record`)."""

    verdict: str
    images: int = Field(ge=1, description="generated images, and held-out crops of the control")
    threshold: float = Field(description="largest similarity of a held-out crop to a training crop")
    beyond: int = Field(ge=0, description="generated images above the threshold")
    copies: int = Field(ge=0, description="generated images as similar as copies are")
    nearer_to_training: float | None = Field(
        ge=0, le=1, description="share nearer to training images than to as many held-out ones"
    )


class CellSummary(Record):
    """The cells that were found in a set of crops, pooled; None where there were none."""

    cells: int = Field(ge=0)
    density: float | None = Field(description="cells per 10,000 pixels")
    cv: float | None = Field(description="standard deviation of the areas over their mean")
    hexagonality: float | None = Field(description="share of cells with six neighbours")
    area_distance: float | None = Field(
        description="Wasserstein distance of the areas to those of training crops, in pixels"
    )


class MorphometrySummary(Record):
    """Cells of generated and real crops, found by one method (`training.scores.cells.record`)."""

    generated: CellSummary
    training: CellSummary = Field(description="its distance is to a second draw: what chance leaves")
    held_out: CellSummary | None


class EvidenceRecord(Record):
    """What `endotwin-training evaluate --record` found; the first draw is that of the recorded FID."""

    created: str = Field(description="date, ISO 8601")
    count: int = Field(ge=2, description="images on either side of every score")
    draws: int = Field(ge=2)
    seed: int
    protocol: str
    generated_training: ScoreSummary
    generated_held_out: ScoreSummary | None
    real_real: ScoreSummary = Field(description="training crops against other training crops")
    real_held_out: ScoreSummary | None
    noise_real: ScoreSummary
    memorisation: MemorisationSummary | None
    morphometry: MorphometrySummary | None
    device: str
    versions: dict[str, str]


class MeasuredValue(Record):
    """A number of a population of images, and where it comes from."""

    value: float
    error: float | None = Field(
        default=None, ge=0, description="largest error of this measure on annotated sets; null if given"
    )
    origin: Literal["measured", "given", "not measured"]


class Adaptation(Record):
    """How a checkpoint was made by `endotwin-training adapt` from images that nobody annotated."""

    modality: str
    images: int = Field(ge=1, description="images in all, held-out ones included")
    scale: float = Field(gt=0, description="factor by which the images were resized")
    pixel_size: float | None = Field(
        description="micrometres, of the images as trained on; null: not given"
    )
    measured: dict[str, MeasuredValue] = Field(description="the population that mosaics are drawn from")
    method: str
    memorisation: MemorisationSummary | None = Field(description="null where it was not measured")
    warning: str = Field(description="what so few images mean")


class Card(Record):
    """Everything a reader of a checkpoint has to know; stored as JSON in the checkpoint's header."""

    schema_version: Literal[1] = 1
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")
    description: str
    created: str = Field(description="date, ISO 8601")
    image_size: int
    architecture: Architecture
    data: Data
    training: Training
    fid: FidRecord | None
    statistics: ImageStatistics | None = None
    labels: LabelStatistics | None = None
    evidence: EvidenceRecord | None = None
    adaptation: Adaptation | None = None
