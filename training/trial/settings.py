"""The arms of a trial and their common budget."""

from __future__ import annotations

from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

Arm = Literal["real", "ceiling", "synthetic", "synthetic-then-real"]
"""A way of training: on real annotated crops; on these and the test images of the same sources, which
shows how high a score can be under this budget and with these annotations; on labelled synthetic images;
or on these and then on real crops."""

ARMS: tuple[Arm, ...] = get_args(Arm)

COMPARED: tuple[Arm, ...] = ("real", "synthetic", "synthetic-then-real")
"""The arms that see no test image."""

WITHOUT_SOURCE: tuple[Arm, ...] = ("real", "ceiling")
"""The arms that need no labelled synthetic images."""

SYNTHETIC_SHARE = 1 / 2
"""Share of the steps of synthetic-then-real that come before the real images."""


class TrialSettings(BaseModel):
    """One budget for every arm."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: int = Field(default=400, ge=2, le=1_000_000)
    learning_rate: float = Field(default=3e-3, gt=0, le=1)
