"""Places that sets are written to: whether they are there, and take, keep and give back what is written."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from endotwin.doctor.finding import Finding, advice, ok, problem
from endotwin.doctor.machine import examine_folder
from endotwin.quoting import CREDENTIALS
from endotwin.sets.storage.destination import ContentionError, StorageError
from endotwin.sets.storage.place import Bucket, Folder, Place, PlaceError, parse_bucket, parse_place
from endotwin.settings import Settings, variable

if TYPE_CHECKING:
    from endotwin.sets.storage.bucket import BucketDestination

_TIMEOUT_SECONDS = 10.0
_GOOD_SKEW, _LARGEST_SKEW = 60, 900
"""Seconds; S3 refuses requests from a clock that differs by more than the second."""

_REPETITION = ". The same command goes on from here"


def examine_storage(settings: Settings, places: tuple[str, ...] = ()) -> Iterator[Finding]:
    """Yield whether sets can be written to the places that are named, else to those that are allowed.

    A small object is written below each place, read and removed.

    Args:
        settings: of the operator.
        places: folders, or prefixes of buckets.
    """
    if not places and not settings.storage_allow:
        yield ok("storage", f"none: {variable('storage_allow')} is not set")
    try:
        wanted: list[Place] = [parse_place(text) for text in places]
    except PlaceError as error:
        yield problem("storage", str(error))
        return
    for name in CREDENTIALS:
        if (value := os.environ.get(name)) and (not value.isprintable() or value != value.strip()):
            text = f"{name} holds a line break, or begins or ends with a space: set it without"
            yield problem("storage", text)
            return
    for place in wanted or [parse_bucket(text) for text in settings.storage_allow]:
        if isinstance(place, Folder):
            yield from examine_folder("storage", Path(place.path), "name another", large=True)
        else:
            yield from _examine_bucket(place, settings)


def _examine_bucket(place: Bucket, settings: Settings) -> Iterator[Finding]:
    from endotwin.sets.storage.open_destination import open_destination  # noqa: PLC0415 (an extra)

    quick = {
        "storage_patience_seconds": 0.0,
        "storage_timeout_seconds": min(settings.storage_timeout_seconds, _TIMEOUT_SECONDS),
    }
    clock = None
    try:
        destination: Any = open_destination(
            place, settings.model_copy(update=quick), stop_if_asked=lambda: None, note=lambda _: None
        )
        clock = _ServerClock(destination.client)
        yield from _try_bucket(destination, place)
    except (StorageError, ContentionError) as error:
        yield problem("storage", str(error).removesuffix(_REPETITION))
    if clock is not None:
        yield from clock.findings(place)


def _try_bucket(destination: BucketDestination, place: Bucket) -> Iterator[Finding]:
    """Yield what a bucket can do; raise a StorageError at the first thing that it cannot."""
    client, key = destination.client, f".endotwin-doctor-{secrets.token_hex(8)}"
    list(destination.list_keys(key))
    content = key.encode()
    destination.call("writing", key, client.put_object, Body=content)
    try:
        read = destination.call("reading", key, lambda **names: client.get_object(**names)["Body"].read())
        if read != content:
            yield problem("storage", f"{place} gives back something else than what was written")
        if _overwrites(destination, key):
            yield advice(
                "storage",
                f"{place} replaces what is there in spite of If-None-Match: of two processes that write "
                "the same shard the last one wins",
            )
    finally:
        destination.delete(key)
    yield ok("storage", f"{place} at {client.meta.endpoint_url}: listing, writing, reading, removing work")


def _overwrites(destination: BucketDestination, key: str) -> bool:
    """Return whether an object can be written over that is only to be written if it is not there."""
    try:
        destination.call("writing", key, destination.client.put_object, Body=b"", IfNoneMatch="*")
    except ContentionError:
        return False
    return True


class _ServerClock:
    """How far the clock of a server is from this machine's, by the Date of its last answer."""

    def __init__(self, client: Any) -> None:
        self._seconds_ahead: float | None = None
        client.meta.events.register("response-received.s3", self._look)

    def _look(self, response_dict: Any, **_: object) -> None:
        if response_dict and (date := response_dict["headers"].get("Date")):
            self._seconds_ahead = parsedate_to_datetime(date).timestamp() - time.time()

    def findings(self, place: Bucket) -> Iterator[Finding]:
        """Yield whether the clocks differ by more than is good."""
        seconds = self._seconds_ahead
        if seconds is None or abs(seconds) <= _GOOD_SKEW:
            return
        direction = "ahead of" if seconds > 0 else "behind"
        text = f"the server of {place} is {abs(seconds):.0f} s {direction} this machine: set the clock"
        yield (problem if abs(seconds) > _LARGEST_SKEW else advice)("clock", text)
