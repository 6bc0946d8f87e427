"""The settings of a training run: everything that decides its result."""

from __future__ import annotations

import hashlib
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from endotwin.generator.architectures import PRESETS, Architecture
from training.learning.recipes.names import RecipeName

Precision = Literal["float32", "bfloat16"]


class TrainingSettings(BaseModel):
    """What is trained, and how. Two runs with equal settings and images are the same run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(default="compact", description="name of the checkpoint")
    architecture: Architecture = Field(default=PRESETS["compact"], description="the generator")
    recipe: RecipeName = Field(default="projected", description="losses, augmentation, optimiser")
    images: int = Field(default=200_000, ge=1, description="images to see in all")
    batch: int = Field(default=16, ge=2, le=4096, description="images per step, over all processes")
    learning_rate: float = Field(default=2e-4, gt=0, le=0.1, description="of the Adam optimisers")
    average_half_life: float = Field(
        default=4_000, ge=0, description="images after which an old weight counts half in the average"
    )
    seed: int = Field(default=0, ge=0, lt=2**63, description="of weights, crops, latents, augmentation")
    precision: Precision = Field(
        default="float32", description="of the convolutions; bfloat16 is faster where the processor has it"
    )

    start_from: str | None = Field(
        default=None,
        description="generator_sha256 of the checkpoint that the generator starts from",
    )

    generator_rate: float | None = Field(
        default=None, gt=0, le=0.1, description="learning rate of the generator, if it is one of its own"
    )

    generator_waits: int | None = Field(
        default=None,
        ge=1,
        description="images that are seen before the generator learns, by the discriminator alone",
    )

    discriminators: str | None = Field(
        default=None, description="sha256 of the file of discriminators that the run starts from"
    )

    augmentation: float | None = Field(
        default=None,
        ge=0,
        le=0.8,
        description="share of the images that the discriminators of `projected` and what builds on it see "
        "turned, as large a share zoomed and rotated, and with a hole",
    )

    def digest(self, image_list: str) -> str:
        """Return eight hexadecimal digits that identify these settings on these images.

        The number of images to see is left out: a run may be made longer.
        """
        # Without unset values, so that runs from before a setting existed keep their names.
        text = self.model_dump_json(exclude={"images"}, exclude_none=True) + image_list
        return hashlib.sha256(text.encode()).hexdigest()[:8]
