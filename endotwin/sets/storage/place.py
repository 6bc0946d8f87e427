"""Places for sets: a folder, or a prefix of a bucket; and those that an operator lets clients write to."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_SEGMENT = re.compile(r"[A-Za-z0-9!_.*'()=+@,-]+")  # what S3's documentation calls safe, and = + @ ,

PLACE_PATTERN = rf"^s3://{_BUCKET.pattern}(/{_SEGMENT.pattern})+/?$"
"""Regular expression of a prefix of a bucket, which allows the dots of `..` too."""

_LONGEST_PREFIX = 900  # a key has at most 1,024 bytes, and the set's own names come after the prefix


class PlaceError(ValueError):
    """A text names no place for a set, or one that is not allowed; the message says what is."""


@dataclass(frozen=True)
class Folder:
    """A folder of this machine."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)


@dataclass(frozen=True)
class Bucket:
    """A prefix of a bucket, without a slash at either end; "" is the whole bucket."""

    name: str
    prefix: str

    def __str__(self) -> str:
        return f"s3://{self.name}/{self.prefix}"

    def key(self, relative: str) -> str:
        """Return the full key of an object of the set."""
        return f"{self.prefix}/{relative}" if self.prefix else relative


Place = Folder | Bucket


def parse_place(text: str) -> Place:
    """Parse a destination: `s3://bucket/prefix`, or a folder.

    Raises:
        PlaceError: it is neither.
    """
    if not text or not text.isprintable():
        raise PlaceError(f"a destination is a folder or s3://bucket/prefix, got {_shown(text)}")
    if text.startswith("s3://"):
        place = parse_bucket(text.removeprefix("s3://"))
        if not place.prefix:
            raise PlaceError(f"{text}: name a prefix too, such as s3://{place.name}/sets/first")
        return place
    if _SCHEME.match(text):
        raise PlaceError(f"a destination is a folder or s3://bucket/prefix, got {_shown(text)}")
    return Folder(Path(text).resolve())


def parse_bucket(text: str) -> Bucket:
    """Parse `bucket/prefix`, or `bucket` for all of it; one slash at the end is ignored.

    Raises:
        PlaceError: the names are not ones that every S3-compatible server takes as they are.
    """
    name, _, prefix = text.partition("/")
    prefix = prefix.removesuffix("/")
    if not _BUCKET.fullmatch(name) or ".." in name:
        raise PlaceError(
            "a bucket's name has 3 to 63 lower case letters, digits, dots and hyphens, begins and "
            f"ends with a letter or digit and holds no two dots in a row, got {_shown(name)}"
        )
    if len(prefix) > _LONGEST_PREFIX:
        raise PlaceError(f"a prefix has at most {_LONGEST_PREFIX} characters, got {len(prefix)}")
    for segment in prefix.split("/") if prefix else []:
        if not _SEGMENT.fullmatch(segment) or segment in (".", ".."):
            raise PlaceError(
                "every part of a prefix is made of letters, digits and !_.*'()=+@,- and is neither "
                f"empty nor . nor .., got {_shown(segment)} in {_shown(prefix)}"
            )
    return Bucket(name, prefix)


def check_allowed(place: Bucket, allowed: Iterable[str]) -> None:
    """Check that a client may have a set written to a place.

    Args:
        place: where it is to go.
        allowed: `bucket` or `bucket/prefix` each, the operator's setting. What is below one of them is
            allowed, by whole names: `data/sets` does not allow `data/sets-of-others`.

    Raises:
        PlaceError: it is not below any of them; which they are is not the client's business.
    """
    for area in map(parse_bucket, allowed):
        below = f"{place.prefix}/".startswith(f"{area.prefix}/" if area.prefix else "")
        if place.name == area.name and below:
            return
    raise PlaceError(f"{place} is not among the destinations that the operator allows")


def _shown(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:80] + "…")
