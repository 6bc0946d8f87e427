"""The specification of a set: everything that decides its bytes."""

from __future__ import annotations

import hashlib
import json
from functools import cached_property
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from endotwin.image_range import MAX_INDEX, MAX_SEED, ImageRange
from endotwin.samples.conditions import parse_conditions
from endotwin.samples.labelling import Labelling, parse_labels
from endotwin.samples.validation import check_validation
from endotwin.sets import LARGEST_SHARD, LARGEST_USUAL_SHARD, MAX_SHARDS


class SetSpec(BaseModel):
    """A set: images start to start + n - 1 of a seed, by one checkpoint, cut into shards.

    Fields that are added later must be optional with None for "as before": None does not enter the
    digest, so sets that are there already keep theirs.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,95}$", description="name of the set, for its card")
    n: int = Field(ge=1, le=MAX_INDEX + 1, description="number of images")
    seed: int = Field(ge=0, le=MAX_SEED, description="seed of the images")
    start: int = Field(default=0, ge=0, le=MAX_INDEX, description="index of the first image")
    model: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$", description="name of the checkpoint")
    generator_sha256: str = Field(
        pattern=r"^[0-9a-f]{64}$", description="digest of the checkpoint's weights and architecture"
    )
    format: Literal["tar", "zip"] = Field(default="tar", description="format of the shards")
    shard_size: int = Field(
        default=LARGEST_USUAL_SHARD,
        ge=1,
        le=LARGEST_SHARD,
        description="images of every shard but the last",
    )
    labels: tuple[str, ...] | None = Field(default=None, description="labels of the images, in their order")
    conditions: dict[str, str] | None = Field(
        default=None, min_length=1, description="what every image meets, such as density 1500:2500"
    )
    validation_every: int | None = Field(
        default=None, ge=2, description="of so many consecutive indices, the last is a validation image"
    )

    @model_validator(mode="after")
    def _check_range(self) -> Self:
        self.images  # noqa: B018 (raises if the range is beyond the last index)
        if self.shards > MAX_SHARDS:
            raise ValueError(
                f"n {self.n} in shards of {self.shard_size} makes {self.shards} shards, more than "
                f"{MAX_SHARDS}; choose larger shards"
            )
        check_validation(self.images, self.validation_every)
        return self

    @model_validator(mode="after")
    def _check_labelling(self) -> Self:
        """Refuse unknown values, and every spelling but one: the digest is over the spelling."""
        labels = None if self.labels is None else parse_labels(",".join(self.labels))
        if labels != self.labels:
            raise ValueError(f"labels must be in the order {labels}, got {self.labels}")
        conditions = dict(self.labelling.given)
        if self.conditions is not None and conditions != self.conditions:
            raise ValueError(f"conditions must be written as {conditions}, got {self.conditions}")
        return self

    @property
    def images(self) -> ImageRange:
        """All images of the set."""
        return ImageRange(self.seed, self.start, self.n)

    @cached_property
    def labelling(self) -> Labelling:
        """Labels and conditions of the images."""
        return Labelling(self.labels or (), parse_conditions(self.conditions or {}))

    @property
    def shards(self) -> int:
        """Number of ranges of images that the set is cut into; each makes a shard for each of its parts."""
        return -(-self.n // self.shard_size)

    @property
    def identity(self) -> dict[str, Any]:
        """Everything but n: sets that differ in nothing else have their full shards in common."""
        return self.model_dump(mode="json", exclude={"n"}, exclude_none=True)

    @property
    def digest(self) -> str:
        """Sha256 over the identity. It marks every object of a set; growing the set does not change it."""
        return hashlib.sha256(json.dumps(self.identity, sort_keys=True).encode()).hexdigest()
