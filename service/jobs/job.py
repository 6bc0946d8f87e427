"""A job: a set that a client wants to have written somewhere, and how far it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Json, ValidationError

from endotwin.quoting import shorten
from endotwin.sets.spec import SetSpec
from endotwin.sets.storage.place import Bucket, PlaceError, parse_bucket

ERRORS_KEPT = 10

_YEAR_10000 = 253_402_300_800
_Time = Annotated[float, Field(ge=0, lt=_YEAR_10000)]
"""Seconds since 1970."""

_Count = Annotated[int, Field(ge=0)]
_Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class State(StrEnum):
    """The state of a job; docs/jobs.md says what each means."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETE = "complete"
    FAILED = "failed"
    CANCELLING = "cancelling"
    CANCEL_FAILED = "cancel_failed"
    CANCELLED = "cancelled"
    ABANDONED = "abandoned"


WAITING = (State.QUEUED, State.RUNNING)
"""Jobs that a service works on or will."""

OPEN = (State.QUEUED, State.RUNNING, State.FAILED, State.CANCELLING, State.CANCEL_FAILED)
"""Jobs that may still write to their destination or remove something from it."""

STUCK = (State.FAILED, State.CANCEL_FAILED)
"""Jobs that no service does anything about until they are asked to."""

ENDED = (State.COMPLETE, State.CANCELLED, State.ABANDONED)


@dataclass(frozen=True)
class JobError:
    """Something that went wrong: when, in seconds since 1970, and what."""

    at: _Time
    message: str


@dataclass(frozen=True)
class Counts:
    """How far a job is, as the service that works on it saw it last.

    Attributes:
        shards: in place.
        images: in these shards.
        images_per_second: generated since the service took the job up; None before the first.
        seconds_left: at this speed; None where it is not known.
        errors: the last `ERRORS_KEPT`, those after which the work went on included.
    """

    shards: _Count = 0
    images: _Count = 0
    images_per_second: _Amount | None = None
    seconds_left: _Amount | None = None
    errors: tuple[JobError, ...] = ()


def _parse_destination(text: object) -> Bucket:
    return parse_bucket(str(text).removeprefix("s3://"))


class Job(BaseModel):
    """A job as the store has it. Times are seconds since 1970.

    Attributes:
        id: 32 hexadecimal digits.
        owner: the key that asked for it; "" without one.
        state: see `State`.
        destination: where the set goes.
        spec: the set.
        any_shard_size: whether its shards become as large as those of the same set, where it is there,
            at the first look.
        created: when it was accepted.
        started: when a service first took it up.
        finished: when it was complete, failed or cancelled.
        counts: how far it is.
        looked: whether `earlier_n` is known.
        earlier_n: images of the finished set that was at the destination before the job; None if none was.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    owner: str
    state: State
    destination: Annotated[Bucket, BeforeValidator(_parse_destination)]
    spec: Json[SetSpec]
    any_shard_size: bool
    created: _Time
    started: _Time | None
    finished: _Time | None
    counts: Json[Counts]
    looked: bool
    earlier_n: Annotated[int, Field(ge=1)] | None

    @property
    def path(self) -> str:
        """The path of its route."""
        return f"/jobs/{self.id}"


@dataclass(frozen=True)
class UnreadableJob:
    """A stored job that this service cannot read. Clients see it as failed, and can delete it.

    Attributes:
        id: as stored.
        owner: see `Job`.
        destination: where its set goes; None if that cannot be read either.
        why: what cannot be read.
    """

    id: str
    owner: str
    destination: Bucket | None
    why: str

    state = State.FAILED

    @property
    def advice(self) -> str:
        """What the client can do about it."""
        return f"DELETE {self.path} takes it off the list, and leaves what it has written"

    @property
    def path(self) -> str:
        """The path of its route."""
        return f"/jobs/{self.id}"


StoredJob = Job | UnreadableJob


def read_job(row: Mapping[str, Any]) -> StoredJob:
    """Read a job from its row in the store, by column."""
    try:
        return Job.model_validate(row)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        reason = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    destination = None
    with suppress(PlaceError):
        destination = _parse_destination(row["destination"])
    why = f"this service cannot read the job, stored as {shorten(str(row['state']))} ({reason})"
    return UnreadableJob(str(row["id"]), str(row["owner"]), destination, why)


def write_counts(counts: Counts) -> str:
    """Return counts as the store keeps them."""
    return json.dumps(asdict(counts))
