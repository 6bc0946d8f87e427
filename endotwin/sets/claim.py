"""Taking a place for a set, without doing harm to what is there."""

from __future__ import annotations

import json
from collections.abc import Iterable, Set

from endotwin.sets.documents import spec_file
from endotwin.sets.manifest import SetError
from endotwin.sets.plan import DOCUMENT_KEYS, MANIFEST_KEY, SPEC_KEY
from endotwin.sets.put import put
from endotwin.sets.spec import SetSpec
from endotwin.sets.storage.destination import Destination
from endotwin.sets.survey import unexpected_keys


def check_place(
    spec: SetSpec, destination: Destination, *, distrusted: Set[str], replace_wrong: bool
) -> list[str]:
    """Check that a place is free or holds (a part of) this very set; shards are looked at elsewhere.

    Writes nothing.

    Args:
        spec: the set.
        destination: where it goes.
        distrusted: keys of files whose content was found wrong.
        replace_wrong: whether files with the names of the set's documents may be replaced.

    Returns:
        The keys of documents that are to be replaced.

    Raises:
        SetError: another set is there, or files that writing this one would destroy or mix with it.
        StorageError: storage fails.
    """
    _check_mark(spec, destination)
    strange = unexpected_keys(spec, destination)
    if strange:
        raise SetError(
            f"{', '.join(strange)}: not among the {spec.shards} shards of this set, but readers would take "
            "them for some. If they are of the same set, ask for as many images as it has or more "
            "(a set only grows); else remove them or choose another destination"
        )
    names = [*DOCUMENT_KEYS, MANIFEST_KEY]
    wrong = [key for key in names if key in distrusted or not _is_free(spec, destination, key)]
    if wrong and not replace_wrong:
        raise SetError(
            f"{', '.join(wrong)}: there already, and not of this set. Choose another destination, or let "
            "--replace-wrong replace what is there"
        )
    return wrong


def claim(spec: SetSpec, destination: Destination, wrong: Iterable[str]) -> None:
    """Remove wrong documents and mark a place as this set's.

    Raises:
        SetError: somebody with another set came at the same moment.
        StorageError: storage fails.
    """
    for key in wrong:
        destination.delete(MANIFEST_KEY)
        destination.delete(key)
    put(spec, destination, SPEC_KEY, spec_file(spec))
    _check_mark(spec, destination)


def _check_mark(spec: SetSpec, destination: Destination) -> None:
    stored = destination.stat(SPEC_KEY)
    if stored is None or stored.record is None or stored.record.set_digest == spec.digest:
        return
    content = b"".join(destination.read(SPEC_KEY))
    try:
        there = dict(json.loads(content))
    except (TypeError, ValueError) as error:
        raise SetError(f"{SPEC_KEY} is damaged: remove it, or choose another destination") from error
    asked = spec.identity
    differences = "; ".join(
        f"{name} is {there.get(name)!r} there and {asked.get(name)!r} here"
        for name in sorted(there.keys() | asked.keys())
        if there.get(name) != asked.get(name)
    )
    raise SetError(f"another set is there: {differences}. Choose another destination")


def _is_free(spec: SetSpec, destination: Destination, key: str) -> bool:
    stored = destination.stat(key)
    return stored is None or (stored.record is not None and stored.record.set_digest == spec.digest)
