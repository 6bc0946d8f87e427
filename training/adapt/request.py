"""What is asked of an adaptation; light to import."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

HOURS = 1.0
"""Hours of training, unless others are given."""

FEWEST_IMAGES = 3
"""One image has to be held out as a control, and a generator of a single other one copies it."""


class AdaptError(Exception):
    """Images that a checkpoint cannot be made of; the message says why and what would help."""


@dataclass(frozen=True)
class Terms:
    """What the card of the checkpoint says of the images.

    Attributes:
        modality: such as `confocal microscopy`.
        terms: of use.
        citation: where they come from.
    """

    modality: str = "specular microscopy"
    terms: str = "not stated"
    citation: str = ""


@dataclass(frozen=True)
class GivenValues:
    """What a person knows of the images; None is measured.

    Attributes:
        cell_area: mean area of a cell in square pixels of the images as they are.
        cv: mean coefficient of variation of the areas.
        hexagonality: mean share of cells with six neighbours.
        guttae: share of the images that have guttae.
        scale: factor by which the images are resized before training.
        pixel_size: micrometres per pixel of the images as they are.
    """

    cell_area: float | None = None
    cv: float | None = None
    hexagonality: float | None = None
    guttae: float | None = None
    scale: float | None = None
    pixel_size: float | None = None


@dataclass(frozen=True)
class AdaptRequest:
    """What is asked.

    Attributes:
        images: folder of the raw images; only read.
        output: the checkpoint's file.
        name: of the checkpoint, and of the images on its card.
        start: checkpoint with labels whose weights training starts from.
        hours: of training, over all sessions.
        device: cpu, cuda or cuda:N.
        score: record an FID at the end.
        together: which images are of one patient, as `curate --keep-together`.
        terms: for the card.
        given: what need not be measured.
        inception: file of the Inception weights; None searches for them.
    """

    images: Path
    output: Path
    name: str
    start: Path
    hours: float = HOURS
    device: str = "cpu"
    score: bool = True
    together: str | None = None
    terms: Terms = field(default_factory=Terms)
    given: GivenValues = field(default_factory=GivenValues)
    inception: Path | None = None
