"""A job: a set that a client wants to have written somewhere, and how far it is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from endotwin.sets.spec import SetSpec


class State(StrEnum):
    """Where a job is in its life."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETE = "complete"
    FAILED = "failed"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"


OPEN = (State.QUEUED, State.RUNNING, State.FAILED, State.CANCELLING)
"""Jobs that still have something to do with their destination: a failed one can go on or be cancelled."""

ENDED = (State.COMPLETE, State.CANCELLED)

ERRORS_KEPT = 10


@dataclass(frozen=True)
class Problem:
    """Something that went wrong: when, in seconds since 1970, and what."""

    at: float
    message: str


@dataclass(frozen=True)
class Counts:
    """How far a job is, as the service that works on it saw it last.

    Attributes:
        shards: in place.
        images: in these shards.
        images_per_second: generated since the service took the job up; None before the first.
        seconds_left: at this speed; None where it is not known.
        errors: the last `ERRORS_KEPT`, those that were got over included.
    """

    shards: int = 0
    images: int = 0
    images_per_second: float | None = None
    seconds_left: float | None = None
    errors: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class Job:
    """A job as the store has it. Times are seconds since 1970.

    Attributes:
        id: 32 hexadecimal digits.
        state: see `State`.
        destination: `s3://bucket/prefix`.
        spec: the set.
        created: when it was accepted.
        started: when a service first took it up.
        finished: when it was complete, failed or cancelled.
        counts: how far it is.
        looked: whether `earlier_n` is known.
        earlier_n: images of the finished set that was at the destination before the job; None if none was.
    """

    id: str
    state: State
    destination: str
    spec: SetSpec
    created: float
    started: float | None
    finished: float | None
    counts: Counts
    looked: bool
    earlier_n: int | None

    @property
    def path(self) -> str:
        """Where the service answers for it."""
        return f"/jobs/{self.id}"

    def describe(self) -> dict[str, Any]:
        """Return the job as clients see it."""
        spec, counts = self.spec, self.counts
        running = self.state is State.RUNNING
        return {
            "id": self.id,
            "state": self.state.value,
            "destination": self.destination,
            "n": spec.n,
            "seed": spec.seed,
            "format": spec.format,
            "model": spec.model,
            "checkpoint_sha256": spec.checkpoint_sha256,
            "labels": list(spec.labels or ()),
            "conditions": spec.conditions or {},
            "shard_size": spec.shard_size,
            "shards": {"done": counts.shards, "total": spec.shards},
            "images": {"done": counts.images, "total": spec.n},
            "images_per_second": _rounded(counts.images_per_second) if running else None,
            "seconds_left": _rounded(counts.seconds_left) if running else None,
            "errors": [{"time": _time(error.at), "message": error.message} for error in counts.errors],
            "created": _time(self.created),
            "started": _time(self.started),
            "finished": _time(self.finished),
        }


def _time(seconds: float | None) -> str | None:
    """Write a time as ISO 8601 in UTC, such as 2026-11-25T21:46:03Z."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
