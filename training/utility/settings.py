"""What is trained in which way, and on which budget."""

from __future__ import annotations

from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

Arm = Literal["real", "synthetic", "synthetic-then-real"]
"""A way of training: on real annotated crops, on labelled synthetic images, or on these and then those."""

ARMS: tuple[Arm, ...] = get_args(Arm)

SYNTHETIC_SHARE = 1 / 2
"""Share of the steps of synthetic-then-real that come before the real images."""


class UtilitySettings(BaseModel):
    """One budget for every arm."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: int = Field(default=400, ge=2, le=1_000_000)
    learning_rate: float = Field(default=3e-3, gt=0, le=1)
