"""Finishing a set: its documents, and the manifest at the very end."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from endotwin.generator.card import Card
from endotwin.sets.documents import documents
from endotwin.sets.manifest import DocumentEntry, Manifest, ShardEntry
from endotwin.sets.plan import MANIFEST_KEY, plan_set
from endotwin.sets.put import is_there, put
from endotwin.sets.spec import SetSpec
from endotwin.sets.storage.destination import Destination
from endotwin.sets.survey import survey, unexpected_keys


def finish(
    spec: SetSpec, card: Card, destination: Destination, *, stop_if_asked: Callable[[], None]
) -> Manifest | None:
    """Write the documents of a set and then its manifest, if all its shards are there.

    Also removes what killed processes left behind. Two processes that finish at once write the same.

    Returns:
        The manifest; None if the set is not complete, and then nothing was written.

    Raises:
        SetError: the set there has more images.
        StorageError: storage fails.
    """
    state = survey(spec, destination, plan_set(spec), stop_if_asked=stop_if_asked)
    if state.to_make or unexpected_keys(spec, destination):
        return None
    destination.discard_unfinished()
    shards = [ShardEntry.of(shard, record) for shard, record in state.right.items()]
    files = documents(spec, card, shards)
    entries = [
        DocumentEntry(key=key, bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
        for key, content in files.items()
    ]
    manifest = Manifest.of(spec, shards, entries)
    files[MANIFEST_KEY] = manifest.to_json()
    changed = [key for key, content in files.items() if not is_there(spec, destination, key, content)]
    if changed:
        destination.delete(MANIFEST_KEY)
    for key in changed:
        stop_if_asked()
        put(spec, destination, key, files[key])
    if changed and MANIFEST_KEY not in changed:
        put(spec, destination, MANIFEST_KEY, files[MANIFEST_KEY])
    return manifest
