"""The requests behind the calls of both clients, without sending them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
import numpy as np
from pydantic import ValidationError

from endotwin.client.errors import JobFailedError, MismatchError
from endotwin.client.image_stream import ImageStream
from endotwin.client.receivers import FilesReceiver, ImageReceiver
from endotwin.client.views import Job
from endotwin.field_size import STANDARD, FieldSize, parse_size
from endotwin.image_range import ImageRange
from endotwin.samples.arguments import (
    ConditionArguments,
    LabelNames,
    conditions_as_text,
    labels_as_text,
)
from endotwin.samples.arrays import Sample
from endotwin.samples.npy import NpyArchive, npy_header
from endotwin.samples.tar import TarArchive, tar_end

_Result = TypeVar("_Result")

CONNECT_SECONDS = 10.0
"""How long a connection may take to be made."""


@dataclass(frozen=True)
class Call:
    """One request: method, path, and what goes with it."""

    method: str
    path: str
    json: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


MODELS = Call("GET", "/models")
JOBS = Call("GET", "/jobs")


def model_call(name: str) -> Call:
    """Ask for one model with its card."""
    return Call("GET", f"/models/{quote(name, safe='')}")


def job_call(identity: str, method: str = "GET", action: str = "") -> Call:
    """Ask for one job, or for a change of it."""
    return Call(method, f"/jobs/{quote(identity, safe='')}{action}")


def start_call(
    destination: str,
    seed: int,
    count: int,
    *,
    labels: LabelNames,
    model: str | None,
    kind: str,
    shard_size: int | None,
    validation_every: int | None,
    idempotency_key: str | None,
    conditions: ConditionArguments,
) -> Call:
    """Ask for a new job; sent again it is the same job, since the key is."""
    named = labels_as_text(labels)
    body: dict[str, Any] = {"n": count, "seed": seed, "destination": destination, "format": kind}
    more = {
        "model": model,
        "labels": named.split(",") if named else None,
        "conditions": conditions_as_text(conditions) or None,
        "shard_size": shard_size,
        "validation_every": validation_every,
    }
    body |= {name: value for name, value in more.items() if value is not None}
    return Call("POST", "/jobs", body, {"Idempotency-Key": idempotency_key or uuid.uuid4().hex})


def image_stream(
    images: ImageRange, model: str | None, conditions: ConditionArguments
) -> ImageStream[np.ndarray]:
    """Ask for images."""
    return ImageStream(ImageReceiver, images, _parameters(model, (), conditions))


def sample_stream(
    images: ImageRange, model: str | None, labels: LabelNames, conditions: ConditionArguments
) -> ImageStream[tuple[Sample, bytes]]:
    """Ask for samples."""
    return ImageStream(FilesReceiver, images, _parameters(model, labels, conditions))


def _parameters(model: str | None, labels: LabelNames, conditions: ConditionArguments) -> dict[str, str]:
    given = {"model": model, "labels": labels_as_text(labels), **conditions_as_text(conditions)}
    return {name: text for name, text in given.items() if text is not None}


def size_of(conditions: ConditionArguments) -> FieldSize:
    """Return the size of the images that a call asks for.

    Raises:
        ValueError: it is none.
    """
    text = conditions_as_text(conditions).get("size")
    return STANDARD if text is None else parse_size(text)


def empty_images(count: int, conditions: ConditionArguments) -> np.ndarray:
    """Return an array for images, uint8 (count, H, W)."""
    return np.empty((count, *size_of(conditions).shape), np.uint8)


def http_options(url: str, key: str | None, timeout: float, verify: Any) -> dict[str, Any]:
    """Return the options of an HTTP client.

    Raises:
        ValueError: the address is none.
    """
    address = httpx.URL(url)
    if address.scheme not in ("http", "https") or not address.host:
        raise ValueError(f"the address of a service is like https://endotwin.example, got {url!r}")
    return {
        "base_url": address,
        "headers": {} if key is None else {"Authorization": f"Bearer {key}"},
        "timeout": httpx.Timeout(timeout, connect=CONNECT_SECONDS),
        "verify": verify,
    }


def read_answer(read: Callable[[bytes], _Result], content: bytes) -> _Result:
    """Read an answer that is JSON.

    Raises:
        MismatchError: it is not what it should be.
    """
    try:
        return read(content)
    except ValidationError as error:
        raise MismatchError(f"the answer is not one of an Endotwin service: {error}") from error


def check_complete(job: Job) -> Job:
    """Return a job that is complete.

    Raises:
        JobFailedError: it came to another end.
    """
    if job.state == "complete":
        return job
    why = f": {job.errors[-1].message}" if job.errors and job.state.endswith("failed") else ""
    raise JobFailedError(f"job {job.id} is {job.state}{why}", job.state)


class Download:
    """A file of images that arrive, in parts: byte for byte the file that one uncut stream makes.

    Attributes:
        stream: whose items become the parts.
        head: the first part.
    """

    stream: ImageStream[Any]
    head: bytes

    def __init__(
        self,
        path: Path,
        images: ImageRange,
        model: str | None,
        labels: LabelNames,
        conditions: ConditionArguments,
    ) -> None:
        """Ask for samples where the file is a tar, for images where it is an npy.

        Raises:
            ValueError: it is neither, or an npy, which has no place for labels.
        """
        self._written = 0
        self._as_tar = path.suffix == TarArchive.suffix
        if self._as_tar:
            self.stream, self.head = sample_stream(images, model, labels, conditions), b""
            return
        if path.suffix != NpyArchive.suffix:
            raise ValueError(f"{path} must end in {TarArchive.suffix} or {NpyArchive.suffix}")
        if labels:
            raise ValueError(f"{path}: an npy has no place for labels, a tar has")
        self.stream = image_stream(images, model, conditions)
        self.head = npy_header(images.count, size_of(conditions))

    def part(self, item: np.ndarray | tuple[Sample, bytes]) -> bytes:
        """Return the part that an item of the stream is."""
        data = item[1] if isinstance(item, tuple) else item.tobytes()
        self._written += len(data)
        return data

    def tail(self) -> bytes:
        """Return the last part."""
        return tar_end(self._written) if self._as_tar else b""
