"""Reading a finished set again, every byte and every pixel, and comparing it with its manifest."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from PIL import Image

from endotwin.samples.sample import sample_name
from endotwin.sets.fetch import DAMAGED, WrongContentError, fetched, shard_files
from endotwin.sets.manifest import DocumentEntry, Manifest, SetError, ShardEntry, read_manifest
from endotwin.sets.plan import DOCUMENT_KEYS, MANIFEST_KEY, plan_set
from endotwin.sets.storage.destination import Destination
from endotwin.sets.survey import unexpected_keys

_SHARDS_AT_ONCE = 4


@dataclass(frozen=True)
class Problem:
    """A file of a set that is not what the manifest says."""

    key: str
    reason: str


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
    manifest = read_manifest(content, where)
    altered = stored.record is not None and stored.record.sha256 != hashlib.sha256(content).hexdigest()
    planned = [(shard.key, shard.images.start, shard.images.count) for shard in plan_set(manifest.spec)]
    listed = [(entry.key, entry.start, entry.samples) for entry in manifest.shards]
    documents = [entry.key for entry in manifest.documents]
    if altered or planned != listed or documents != list(DOCUMENT_KEYS):
        raise SetError(
            f"{where}/{MANIFEST_KEY} is damaged; remove it, and the command that made the set writes "
            "it anew"
        )
    return manifest


def verify_set(
    manifest: Manifest,
    destination: Destination,
    *,
    on_images: Callable[[int], None],
    stop_if_asked: Callable[[], None],
) -> list[Problem]:
    """Read all files of a set.

    Args:
        manifest: of the set.
        destination: where it is.
        on_images: is told how many images were read, from several threads.
        stop_if_asked: is called for every piece; what it raises ends the work.

    Returns:
        What is wrong, in the order of the manifest.

    Raises:
        StorageError: storage fails.
    """
    strange = unexpected_keys(manifest.spec, destination)
    problems = [Problem(key, "it is not a shard of this set") for key in strange]

    def check(entry: ShardEntry | DocumentEntry) -> Problem | None:
        reason = _check(entry, manifest.spec.seed, destination, stop_if_asked)
        if isinstance(entry, ShardEntry):
            on_images(entry.samples)
        return None if reason is None else Problem(entry.key, reason)

    with ThreadPoolExecutor(_SHARDS_AT_ONCE) as threads:
        found = threads.map(check, [*manifest.shards, *manifest.documents])
        return problems + [problem for problem in found if problem is not None]


def _check(
    entry: ShardEntry | DocumentEntry,
    seed: int,
    destination: Destination,
    stop_if_asked: Callable[[], None],
) -> str | None:
    """Return what is wrong with a file, or None."""
    try:
        with fetched(entry, destination, stop_if_asked) as file:
            if not isinstance(entry, ShardEntry):
                return None
            try:
                return _check_images(file, entry, seed, stop_if_asked)
            except DAMAGED as error:
                return f"it cannot be read: {error}"
    except WrongContentError as error:
        return str(error)


def _check_images(
    file: BinaryIO, entry: ShardEntry, seed: int, stop_if_asked: Callable[[], None]
) -> str | None:
    pixels, index = hashlib.sha256(), entry.start
    for name, content in shard_files(file, entry.key, _is_image):
        stop_if_asked()
        if name != f"{sample_name(seed, index)}.png":
            return f"its image {index - entry.start} is {name} instead of {sample_name(seed, index)}.png"
        with Image.open(io.BytesIO(content)) as image:
            pixels.update(np.asarray(image).tobytes())
        index += 1
    if index - entry.start != entry.samples:
        return f"it holds {index - entry.start} images instead of {entry.samples}"
    if pixels.hexdigest() != entry.pixels_sha256:
        return f"the sha256 of its pixels is {pixels.hexdigest()} instead of {entry.pixels_sha256}"
    return None


def _is_image(name: str) -> bool:
    """Tell an image from other files of its sample: all of them begin with a key without a dot."""
    return name.partition(".")[2] == "png"
