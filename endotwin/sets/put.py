"""Writing one small file of a set."""

from __future__ import annotations

import hashlib

from endotwin.sets.spec import SetSpec
from endotwin.sets.storage.destination import ContentionError, Destination, Stored
from endotwin.sets.storage.record import Record


def put(spec: SetSpec, destination: Destination, key: str, content: bytes) -> None:
    """See that a file of a set is there with this content; one that is there already stays untouched."""
    stored = destination.stat(key)
    if _is(stored, spec, content):
        return
    with destination.stage(key) as staged:
        staged.file.write(content)
        try:
            staged.publish(_record(spec, content), replace=stored is not None)
        except ContentionError:  # somebody was faster, with this content or that of a smaller set
            if not is_there(spec, destination, key, content):
                staged.publish(_record(spec, content), replace=True)


def is_there(spec: SetSpec, destination: Destination, key: str, content: bytes) -> bool:
    """Tell whether a file is there with this content, by its record and size."""
    return _is(destination.stat(key), spec, content)


def _is(stored: Stored | None, spec: SetSpec, content: bytes) -> bool:
    if stored is None or stored.record is None:
        return False
    expected, record = _record(spec, content), stored.record
    found = record.set_digest, record.sha256, record.size, stored.size
    return found == (expected.set_digest, expected.sha256, expected.size, expected.size)


def _record(spec: SetSpec, content: bytes) -> Record:
    return Record(set_digest=spec.digest, size=len(content), sha256=hashlib.sha256(content).hexdigest())
