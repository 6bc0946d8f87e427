"""The arms of a trial, and how long a segmenter is trained."""

from __future__ import annotations

from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

ArmKind = Literal["real", "ceiling", "own", "synthetic", "synthetic-then-real"]
"""A way of training: on real annotated images; on these and the annotated test images of the same sources,
which shows how high a score can be; on the annotated images of a test set's own domain; on labelled
synthetic images; or on these and then on real annotated ones."""

ARM_KINDS: tuple[ArmKind, ...] = get_args(ArmKind)

COMPARED: tuple[ArmKind, ...] = ("real", "synthetic", "synthetic-then-real")
"""The kinds of arms that see no image of a test set's domain."""

WITH_SYNTHETIC: tuple[ArmKind, ...] = ("synthetic", "synthetic-then-real")
"""The kinds of arms that need labelled synthetic images."""


class TrialSettings(BaseModel):
    """When a segmenter is trained enough, by its loss on images set aside from those it learns from.

    Attributes:
        learning_rate: the first one.
        next_rate: share of it at which a further stage starts, such as real images after synthetic ones.
        validate_every: steps between validations.
        patience: validations in a row without a gain after which the rate falls, or training ends.
        least_gain: share by which the lowest loss so far has to fall to count as a gain.
        drops: how often the rate falls before training ends.
        drop: factor by which it falls.
        most_steps: training ends then at the latest; the report says where it did.
        validation_batches: batches of 16 crops that each validation takes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    learning_rate: float = Field(default=3e-3, gt=0, le=1)
    next_rate: float = Field(default=1 / 3, gt=0, le=1)
    validate_every: int = Field(default=50, ge=1)
    patience: int = Field(default=4, ge=1)
    least_gain: float = Field(default=0.005, ge=0, lt=1)
    drops: int = Field(default=2, ge=0)
    drop: float = Field(default=0.25, gt=0, lt=1)
    most_steps: int = Field(default=4000, ge=1)
    validation_batches: int = Field(default=4, ge=1)


QUICK = TrialSettings(validate_every=25, patience=2, drops=1, most_steps=250, validation_batches=2)
"""A rough answer in minutes: training ends before it has converged."""

QUICK_IMAGES = 50
"""Images of each test set that a quick trial scores at most."""
