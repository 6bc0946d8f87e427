"""The manifest: the list of the files of a finished set. A set without one is not finished."""

from __future__ import annotations

import builtins
import hashlib
import json
from collections.abc import Iterable
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from endotwin.first_fault import first_fault
from endotwin.sets.plan import DOCUMENT_KEYS, MANIFEST_KEY, Shard, plan_set
from endotwin.sets.spec import SetSpec
from endotwin.sets.storage.destination import Destination
from endotwin.sets.storage.record import ShardRecord


class SetError(Exception):
    """A set cannot be made, read or grown as requested; the message says why."""


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str
    bytes: int
    sha256: str


class DocumentEntry(_Entry):
    """One file that describes the set."""


class ShardEntry(_Entry):
    """One shard: images start to start + samples - 1, and what they were made on."""

    start: int
    samples: int
    pixels_sha256: str
    device: str
    torch: str
    numpy: str
    numba: str | None = None
    scipy: str | None = None
    pillow: str

    @classmethod
    def of(cls, shard: Shard, record: ShardRecord) -> Self:
        """Return the entry of a shard."""
        about = record.model_dump(exclude={"set_digest", "size", "job"})
        return cls(key=shard.key, bytes=record.size, **about)


class Manifest(BaseModel):
    """The content of manifest.json."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: Literal[1] = 1
    spec: SetSpec
    set_digest: str
    bytes: int
    shards: tuple[ShardEntry, ...]
    documents: tuple[DocumentEntry, ...]

    @classmethod
    def of(cls, spec: SetSpec, shards: Iterable[ShardEntry], documents: Iterable[DocumentEntry]) -> Self:
        """Build a manifest from all shards in order and the other files."""
        entries = tuple(shards)
        return cls(
            spec=spec,
            set_digest=spec.digest,
            bytes=sum(entry.bytes for entry in entries),
            shards=entries,
            documents=tuple(documents),
        )

    def to_json(self) -> builtins.bytes:
        """Return the file: the same bytes for the same set, whichever process made which part and when."""
        return (json.dumps(self.model_dump(exclude_none=True), indent=1) + "\n").encode()


def load_manifest(destination: Destination, where: str) -> Manifest:
    """Read the manifest of a set and check it against its own record and plan.

    Args:
        destination: where the set is.
        where: the same, for messages.

    Raises:
        SetError: there is none, or it is damaged.
        StorageError: storage fails.
    """
    stored = destination.stat(MANIFEST_KEY)
    if stored is None:
        raise SetError(f"{where} has no {MANIFEST_KEY}: no set is there, or one that is not finished yet")
    content = b"".join(destination.read(MANIFEST_KEY))
    manifest = _parse(content, where)
    altered = stored.record is not None and stored.record.sha256 != hashlib.sha256(content).hexdigest()
    planned = [(shard.key, shard.start, shard.samples) for shard in plan_set(manifest.spec)]
    listed = [(entry.key, entry.start, entry.samples) for entry in manifest.shards]
    documents = [entry.key for entry in manifest.documents]
    if altered or planned != listed or documents != list(DOCUMENT_KEYS):
        raise SetError(
            f"{where}/{MANIFEST_KEY} is damaged; remove it, and the command that made the set writes "
            "it again"
        )
    return manifest


def _parse(content: bytes, where: str) -> Manifest:
    try:
        return Manifest.model_validate_json(content)
    except ValidationError as error:
        raise SetError(
            f"{where}/{MANIFEST_KEY} is damaged or not one of Endotwin's: {first_fault(error)}"
        ) from error
