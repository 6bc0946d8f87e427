"""The card: what a checkpoint is, what it was trained on, how, and how well it scores."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from training.networks import Architecture


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(_Record):
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
    citation: str = Field(default="", description="where the images come from")
    terms: str = Field(default="not stated", description="terms of use of the images")


class Data(_Record):
    """What the generator was trained on."""

    sources: tuple[Source, ...]
    crop_size: int
    max_upscale: float = Field(ge=1.0, description="images smaller than the crop are enlarged up to this")
    image_list_sha256: str = Field(description="digest over the names and contents of all images used")
    split_seed: int
    validation_share: float = Field(ge=0, lt=1, description="share of each source's images held out")
    terms: str = Field(description="terms of use of the checkpoint that follow from its sources")


class Training(_Record):
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


class FidScore(_Record):
    """One Fréchet Inception distance and the counts it was measured at."""

    fid: float = Field(ge=0)
    first: str = Field(description="what was compared")
    second: str = Field(description="with what")
    first_count: int = Field(ge=2)
    second_count: int = Field(ge=2)


class FidRecord(_Record):
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


class ImageStatistics(_Record):
    """What FID hides, on generated images and on real crops: repeated motifs and the power spectrum.

    Spectra are mean power spectra of grey levels in -1..1, in decades (log10), by frequency in cycles
    per image from 1 up: averaged over rings, along rows (horizontal) and along columns (vertical).
    """

    count: int
    generated_correlation: float = Field(description="mean |correlation| of different high-passed images")
    real_correlation: float
    generated_spectrum: dict[str, tuple[float, ...]]
    real_spectrum: dict[str, tuple[float, ...]]


class LabelStatistics(_Record):
    """Where the images show the borders of their labels (`training.border_displacement`)."""

    count: int = Field(description="images measured")
    displacement_median: float = Field(ge=0, description="median distance across the border, in pixels")
    displacement_within_one: float = Field(ge=0, le=1, description="share that is at most one pixel off")
    displacement_reach: float = Field(description="pixels searched to either side; half of it is chance")


class Card(_Record):
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
