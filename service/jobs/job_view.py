"""A job as clients see it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from endotwin.image_range import MAX_SEED
from service.jobs.job import ERRORS_KEPT, Job, State, StoredJob, UnreadableJob

_UNREADABLE = "null where this service cannot read the stored job"

_Count = Annotated[int, Field(ge=0)]
_Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
"""ISO 8601 in UTC, such as 2026-11-25T21:46:03Z."""


class _View(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Progress(_View):
    """How much of something is done."""

    done: _Count | None = Field(description=_UNREADABLE)
    total: _Count | None = Field(description=_UNREADABLE)


class JobErrorView(_View):
    """Something that went wrong, at a time that may not be known."""

    time: _Time | None
    message: str


class JobView(_View):
    """A job."""

    id: str = Field(description="names the job in its routes")
    owner: str | None = Field(description="name of the key that asked for it; null without one")
    state: State = Field(description="docs/jobs.md says what each means")
    destination: str | None = Field(description=f"where the set goes; {_UNREADABLE}, as below")
    n: _Count | None = Field(description="number of images")
    seed: Annotated[int, Field(ge=0, le=MAX_SEED)] | None = Field(description="seed of the images")
    format: str | None = Field(description="format of the shards")
    model: str | None = Field(description="name of the model")
    generator_sha256: str | None = Field(description="digest of the model's generator")
    labels: list[str] | None = Field(description="labels of the images")
    conditions: dict[str, str] | None = Field(description="what every image meets")
    shard_size: _Count | None = Field(
        description="images of every shard but the last; where the request named none, those of the set "
        "that is there once a service has looked"
    )
    validation_every: _Count | None = Field(
        description="of so many indices, the last is a validation image; null if none is"
    )
    shards: Progress = Field(description="shards that are in place")
    images: Progress = Field(description="images in them")
    images_per_second: Annotated[float, Field(ge=0)] | None = Field(
        description="since a service last took the job up; null unless it is running"
    )
    seconds_left: Annotated[float, Field(ge=0)] | None = Field(
        description="at this speed; null unless it is running"
    )
    errors: list[JobErrorView] = Field(
        max_length=ERRORS_KEPT,
        description="the last ones, those that were got over included; of a failed job the last says why",
    )
    created: _Time | None = Field(description="when it was accepted")
    started: _Time | None = Field(description="when a service first took it up")
    finished: _Time | None = Field(description="when it was complete, failed, cancelled or abandoned")


class JobPage(_View):
    """Some jobs, the newest first."""

    jobs: list[JobView]
    next: str | None = Field(description="address of the older ones; null if there are none")


def view_job(job: StoredJob) -> JobView:
    """Return a job as clients see it."""
    return _view_unreadable(job) if isinstance(job, UnreadableJob) else _view(job)


def _view(job: Job) -> JobView:
    spec, counts = job.spec, job.counts
    running = job.state is State.RUNNING
    return JobView(
        id=job.id,
        owner=job.owner or None,
        state=job.state,
        destination=str(job.destination),
        n=spec.n,
        seed=spec.seed,
        format=spec.format,
        model=spec.model,
        generator_sha256=spec.generator_sha256,
        labels=list(spec.labels or ()),
        conditions=spec.conditions or {},
        shard_size=spec.shard_size,
        validation_every=spec.validation_every,
        shards=Progress(done=counts.shards, total=spec.shards),
        images=Progress(done=counts.images, total=spec.n),
        images_per_second=_rounded(counts.images_per_second) if running else None,
        seconds_left=_rounded(counts.seconds_left) if running else None,
        errors=[JobErrorView(time=_iso(error.at), message=error.message) for error in counts.errors],
        created=_iso(job.created),
        started=_iso(job.started),
        finished=_iso(job.finished),
    )


def _view_unreadable(job: UnreadableJob) -> JobView:
    unknown = dict.fromkeys(JobView.model_fields)
    known = {
        "id": job.id,
        "owner": job.owner or None,
        "state": job.state,
        "destination": None if job.destination is None else str(job.destination),
        "shards": Progress(done=None, total=None),
        "images": Progress(done=None, total=None),
        "errors": [JobErrorView(time=None, message=f"{job.why}; {job.advice}")],
    }
    return JobView.model_validate({**unknown, **known})


def _iso(seconds: float | None) -> str | None:
    """Write a time as ISO 8601 in UTC, such as 2026-11-25T21:46:03Z."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
