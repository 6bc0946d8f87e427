"""Export a finished set as a layout: read its shards, check them, write a folder for other software."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import fields
from heapq import merge
from itertools import groupby, islice, zip_longest
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from endotwin.mosaic.labels import Measured
from endotwin.mosaic.parameters import Parameters
from endotwin.samples.labelling import Labelling, LabellingError
from endotwin.samples.layouts.layout import Layout, LayoutSample, LayoutSet
from endotwin.samples.layouts.writing import write_layout
from endotwin.samples.sample import Provenance, sample_name
from endotwin.sets.manifest import Manifest, SetError, ShardEntry
from endotwin.sets.plan import CROISSANT_KEY, Shard, group_by_range, plan_set
from endotwin.sets.storage.destination import Destination
from endotwin.sets.verify import UNREADABLE, WrongContentError, shard_files, verified_copy

_BATCH = 64
_REPAIR = "the set is damaged: `endotwin set --verify` says what else is, and how to repair it"


def export_set(
    manifest: Manifest,
    destination: Destination,
    layout: type[Layout],
    output: Path,
    *,
    labels: Sequence[str] = (),
    validation_every: int | None = None,
    on_images: Callable[[int], None],
    stop_if_asked: Callable[[], None],
) -> LayoutSet:
    """Write a set as a layout: the folder that `endotwin generate --layout` makes of the same images.

    A shard is copied to a temporary file and its digest compared before anything of it is used; memory
    does not grow with shard or set.

    Args:
        manifest: of the set.
        destination: where the set is.
        layout: what to write.
        output: the folder; it appears when it is complete, or not at all.
        labels: those that the folder is to hold; none for the usual ones of the layout, as far as the set
            has them.
        validation_every: see `endotwin.samples.layouts.layout.LayoutSet`; None for that of the set.
        on_images: called with the number of images that were written.
        stop_if_asked: called often; what it raises ends the work and leaves nothing behind.

    Returns:
        What the folder holds.

    Raises:
        LabellingError: the set lacks labels, or the layout has no place for them, or a
            part of it no image.
        SetError: a file of the set is not the one of the manifest.
        OutputError: there is something at `output`, or the layout cannot be there.
        StorageError: storage fails.
        OSError: the output cannot be written.
    """
    spec = manifest.spec
    wanted = LayoutSet(
        images=spec.images,
        provenance=Provenance(
            spec.model,
            spec.generator_sha256,
            Labelling(_choose_labels(layout, spec.labelling.labels, labels), spec.labelling.conditions),
        ),
        terms=_terms(manifest, destination, stop_if_asked),
        validation_every=validation_every or spec.validation_every,
    )
    batches = _batches(manifest, destination, wanted, on_images, stop_if_asked)
    write_layout(layout, wanted, batches, output)
    return wanted


def _choose_labels(layout: type[Layout], there: Sequence[str], asked: Sequence[str]) -> tuple[str, ...]:
    if not there:
        raise LabellingError(
            "layout",
            f"layout {layout.name} holds labels, and this set has none; its shards are archives of image "
            "files, which any tar or zip unpacks",
        )
    usual = [name for name in layout.usual if name in there or name == layout.required]
    chosen = layout.choose_labels(asked or usual)
    missing = [name for name in chosen if name not in there]
    if missing:
        raise LabellingError(
            "labels",
            f"layout {layout.name} is to hold {', '.join(missing)}, but this set has only "
            f"{', '.join(there)}",
        )
    return chosen


def _terms(manifest: Manifest, destination: Destination, stop_if_asked: Callable[[], None]) -> str:
    """Return the terms of use, from croissant.json."""
    [entry] = (entry for entry in manifest.documents if entry.key == CROISSANT_KEY)
    try:
        with verified_copy(entry, destination, stop_if_asked) as file:
            return str(json.load(file)["license"])
    except (KeyError, ValueError, WrongContentError) as error:
        raise SetError(f"{entry.key}: {error}; {_REPAIR}") from error


def _batches(
    manifest: Manifest,
    destination: Destination,
    wanted: LayoutSet,
    on_images: Callable[[int], None],
    stop_if_asked: Callable[[], None],
) -> Iterator[list[LayoutSample]]:
    """Yield all samples of a set in order."""
    entries = {entry.key: entry for entry in manifest.shards}
    for shards in group_by_range(plan_set(manifest.spec)):
        with ExitStack() as copies:
            parts = [
                _shard_samples(shard, entries[shard.key], destination, wanted, stop_if_asked, copies)
                for shard in shards
            ]
            samples = merge(*parts, key=lambda sample: sample.index)
            while batch := list(islice(samples, _BATCH)):
                stop_if_asked()
                yield batch
                on_images(len(batch))


def _shard_samples(
    shard: Shard,
    entry: ShardEntry,
    destination: Destination,
    wanted: LayoutSet,
    stop_if_asked: Callable[[], None],
    copies: ExitStack,
) -> Iterator[LayoutSample]:
    """Yield the samples of a shard, whose copy is gone when `copies` is closed."""
    try:
        file = copies.enter_context(verified_copy(entry, destination, stop_if_asked))
        for index, sample in zip_longest(shard.indices, _samples(file, shard.key, wanted)):
            if index is None or sample is None:
                raise WrongContentError(
                    f"it holds {'fewer' if sample is None else 'more'} images than {entry.samples}"
                )
            if sample.name != sample_name(shard.images.seed, index):
                raise WrongContentError(f"it holds {sample.name} in the place of image {index}")
            yield sample
    except WrongContentError as error:
        raise SetError(f"{shard.key}: {error}; {_REPAIR}") from error


def _samples(file: BinaryIO, key: str, wanted: LayoutSet) -> Iterator[LayoutSample]:
    """Yield the samples of a shard.

    Raises:
        WrongContentError: it cannot be read.
    """
    try:
        for name, group in groupby(shard_files(file, key), lambda entry: entry[0].partition(".")[0]):
            files = {kind.partition(".")[2]: content for kind, content in group}
            yield _sample(name, files, wanted)
    except (KeyError, TypeError, *UNREADABLE) as error:
        raise WrongContentError(f"it cannot be read: {error}") from error


def _sample(name: str, files: dict[str, bytes], wanted: LayoutSet) -> LayoutSample:
    record: dict[str, Any] = json.loads(files["json"])
    parameters = record.pop("parameters", None)
    if "parameters" in wanted.labelling.labels:
        record["parameters"] = {
            "asked": _in_order(parameters["asked"], Parameters),
            "measured": _in_order(parameters["measured"], Measured),
        }
    return LayoutSample(
        name=name,
        index=record["index"],
        image=_pixels(files["png"]),
        labels={label: _pixels(files[f"{label}.png"]) for label in wanted.labelling.image_labels},
        record=record,
    )


def _in_order(values: dict[str, Any], kind: type[Parameters] | type[Measured]) -> dict[str, Any]:
    """Return values in the order of generation: in a record they are sorted by name."""
    return {**{field.name: values[field.name] for field in fields(kind)}, **values}


def _pixels(content: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(content)) as image:
        return np.array(image)
