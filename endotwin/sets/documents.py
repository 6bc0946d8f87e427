"""The files of a set but its shards: their content, and how each is written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

from endotwin.generator.card import Card
from endotwin.sets.card import describe_set, readme
from endotwin.sets.croissant import croissant
from endotwin.sets.manifest import ShardEntry
from endotwin.sets.plan import CROISSANT_KEY, README_KEY, SPEC_KEY, SUMS_KEY, TERMS_KEY
from endotwin.sets.spec import SetSpec
from endotwin.sets.storage.destination import ContentionError, Destination, Stored
from endotwin.sets.storage.record import ObjectRecord


def spec_file(spec: SetSpec) -> bytes:
    """Return set.json, which is written first and says which set is being made here.

    It does not hold n, which may grow.
    """
    return (json.dumps(spec.identity, indent=1) + "\n").encode()


def build_documents(spec: SetSpec, card: Card, shards: Sequence[ShardEntry]) -> dict[str, bytes]:
    """Return all files of a finished set but shards and manifest, by key, in the order to write them."""
    description = describe_set(spec, card)
    files = {
        SPEC_KEY: spec_file(spec),
        TERMS_KEY: _terms(card),
        README_KEY: readme(spec, card, shards, description),
        CROISSANT_KEY: croissant(spec, card, shards, description),
    }
    return {**files, SUMS_KEY: _sums(shards, files)}


def write_document(spec: SetSpec, destination: Destination, key: str, content: bytes) -> None:
    """Write a file of a set; one that is there already with this content stays untouched."""
    stored = destination.stat(key)
    if _has_content(stored, spec, content):
        return
    with destination.stage(key) as staged:
        staged.file.write(content)
        try:
            staged.publish(_record(spec, content), replace=stored is not None)
        except ContentionError:  # another process was faster, with this content or that of a smaller set
            if not is_written(spec, destination, key, content):
                staged.publish(_record(spec, content), replace=True)


def is_written(spec: SetSpec, destination: Destination, key: str, content: bytes) -> bool:
    """Return whether a file is there with this content, by its record and size."""
    return _has_content(destination.stat(key), spec, content)


def _has_content(stored: Stored | None, spec: SetSpec, content: bytes) -> bool:
    if stored is None or stored.record is None:
        return False
    expected, record = _record(spec, content), stored.record
    found = record.set_digest, record.sha256, record.size, stored.size
    return found == (expected.set_digest, expected.sha256, expected.size, expected.size)


def _record(spec: SetSpec, content: bytes) -> ObjectRecord:
    digest = hashlib.sha256(content).hexdigest()
    return ObjectRecord(set_digest=spec.digest, size=len(content), sha256=digest)


def _sums(shards: Sequence[ShardEntry], files: Mapping[str, bytes]) -> bytes:
    """Return what `sha256sum --check` reads."""
    digests = {entry.key: entry.sha256 for entry in shards}
    digests |= {key: hashlib.sha256(content).hexdigest() for key, content in files.items()}
    return "".join(f"{digest}  {key}\n" for key, digest in digests.items()).encode()


def _terms(card: Card) -> bytes:
    """Return the terms that the checkpoint's card states, and those of what it was trained on."""
    lines = [
        "Terms of use of these images, as the card of the checkpoint that made them states them:",
        "",
        f"    {card.data.terms}",
        "",
        "They follow from the images that the checkpoint was trained on:",
        "",
    ]
    for source in card.data.sources:
        lines += [f"- {source.name}: {source.citation or 'no citation stated'}. Terms: {source.terms}."]
    return ("\n".join(lines) + "\n").encode()
