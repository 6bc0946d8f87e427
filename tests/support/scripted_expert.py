"""An expert who follows a script: it knows the key, and is wrong exactly as often as `WRONG` says."""

from __future__ import annotations

import re

from training.blind_test.blind_set import AnswerKey, Origin
from training.blind_test.confusion import Confusion

WRONG = {Origin.GENERATED: 5, Origin.REAL: 2}
"""Images of each class that are taken for the other one."""


class ScriptedExpert:
    """Takes the first images of each class that it meets for the other class, and knows all the rest."""

    def __init__(self, key: AnswerKey) -> None:
        self._key = key
        self._met: dict[Origin, list[str]] = {kind: [] for kind in Origin}

    def answer(self, address: str) -> Origin:
        """Return the answer to an image by its address; the same one whenever it is asked."""
        found = re.search(r"/images/([0-9a-f]{16})\.png$", address)
        assert found is not None, address
        kind = self._key.images[found[1]].kind
        met = self._met[kind]
        if found[1] not in met:
            met.append(found[1])
        return other(kind) if met.index(found[1]) < WRONG[kind] else kind

    def confusion(self) -> Confusion:
        """Return the confusion matrix of all that was met."""
        counts = {
            kind: {kind: len(self._met[kind]) - WRONG[kind], other(kind): WRONG[kind]} for kind in Origin
        }
        return Confusion(counts=counts)


def other(kind: Origin) -> Origin:
    """Return the other class."""
    return Origin.REAL if kind is Origin.GENERATED else Origin.GENERATED
