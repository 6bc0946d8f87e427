"""Models and jobs as the service describes them."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

ENDED = frozenset({"complete", "failed", "cancelled", "cancel_failed", "abandoned"})
"""States of a job that nothing but another request changes."""


class _View(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Limits(_View):
    """The least and the greatest value of a condition."""

    least: float
    most: float


class ModelInfo(_View):
    """A model of the service.

    Attributes:
        name: for `model=`.
        generator_sha256: digest of what decides pixels.
        fid: recorded FID; None for an unscored model.
        scored: whether an FID is recorded.
        default: whether a call gets it that names no model.
        labels: whether its images come with labels, and meet conditions.
        label_names: the labels.
        labelled_place: a call for labels or conditions that names no model gets the model with the lowest
            place that takes them all; None without labels, or from an older service.
        conditions: the least and the greatest value of each condition that it takes, by name.
        switches: the conditions that it takes and that are true or false.
        population: what is drawn where a call sets no condition; None for a model without labels.
        card: the whole card, in the answer for one model only.
    """

    name: str
    generator_sha256: str
    fid: float | None
    scored: bool
    default: bool
    labels: bool
    label_names: list[str]
    labelled_place: int | None = None
    conditions: dict[str, Limits]
    switches: list[str]
    population: dict[str, Any] | None
    card: dict[str, Any] | None = None


class Share(_View):
    """How much of something is done; None where the service cannot read the job."""

    done: int | None
    total: int | None


class JobError(_View):
    """Something that went wrong in a job: when (ISO 8601 in UTC, if known), and what."""

    time: str | None
    message: str


class Job(_View):
    """A job that writes a large set; docs/jobs.md says what each field and state means."""

    id: str
    owner: str | None
    state: str
    destination: str | None
    n: int | None
    seed: int | None
    format: str | None
    model: str | None
    generator_sha256: str | None
    labels: list[str] | None
    conditions: dict[str, str] | None
    shard_size: int | None
    validation_every: int | None = None
    shards: Share
    images: Share
    images_per_second: float | None
    seconds_left: float | None
    errors: list[JobError]
    created: str | None
    started: str | None
    finished: str | None

    @property
    def ended(self) -> bool:
        """Whether nothing more happens unless it is asked for."""
        return self.state in ENDED


class JobPage(_View):
    """Some jobs, the newest first, and the address of the older ones."""

    jobs: list[Job]
    next: str | None


class ModelList(_View):
    """All models, and the most images that one request may ask for."""

    models: list[ModelInfo]
    max_images: int
