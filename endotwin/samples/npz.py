"""Arrays by name, as numpy reads them: the format of the command line for labels as arrays."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, BinaryIO

import numpy as np

from endotwin.generator.batch import Batch
from endotwin.image_range import ImageRange
from endotwin.samples.labelling import LABELS, LabellingError, training_classes
from endotwin.samples.sample import Provenance, labels_of

NPZ_SUFFIX = ".npz"

PARAMETER_ARRAYS = {
    f"{part}_{field}": (part, field)
    for part, fields in {
        "asked": ("density", "cv", "hexagonality", "guttae", "age", "pixel_size", "clarity"),
        "measured": ("cells", "density", "cv", "hexagonality", "guttae", "clarity"),
    }.items()
    for field in fields
}
"""Where in a `Label` the parameters are, by the name of their array."""


def check_npz(labels: Iterable[str]) -> None:
    """Check that arrays can hold labels: a table of cells has no fixed shape.

    Raises:
        LabellingError: they cannot.
    """
    if "cells" in labels:
        able = ", ".join(name for name in LABELS if name != "cells")
        raise LabellingError("format", f"format npz has no place for cells, only for {able}")


def write_npz(images: ImageRange, provenance: Provenance, batches: Iterable[Batch], file: BinaryIO) -> None:
    """Write an npz file: `images`, `index`, and one array for every label. All are held in memory.

    Labels that are images are arrays of their name, uint8 or (`instances`) uint16, (count, H, W); with
    `borders` and `visible` there are `classes`, see `training_classes`. Every parameter is one, such as
    `asked_density`, float64 (count,), with nan for what does not exist; `asked_appearance` is
    there only if it is not 0. `seed`, `model`, `generator_sha256`
    and `conditions` (as in a query) are single values.
    """
    labelling = provenance.labelling
    shape = (images.count, *labelling.size.shape)
    arrays: dict[str, Any] = {
        "seed": np.array(images.seed, "<u8"),
        "model": np.array(provenance.model),
        "generator_sha256": np.array(provenance.generator_sha256),
        "conditions": np.array(labelling.query),
        "images": np.empty(shape, "|u1"),
        "index": np.array(images.indices, "<u8"),
    }
    for name in labelling.image_labels:
        arrays[name] = np.empty(shape, "<u2" if name == "instances" else "|u1")
    parameters = PARAMETER_ARRAYS if "parameters" in labelling.labels else {}
    arrays |= {name: np.empty(images.count, "<f8") for name in parameters}
    if parameters and labelling.appearance:
        arrays["asked_appearance"] = np.full(images.count, labelling.appearance, "<f8")
    for batch in batches:
        at = slice(batch.range.start - images.start, batch.range.start - images.start + batch.range.count)
        labels = labels_of(batch, labelling)
        arrays["images"][at] = batch.images
        for name in labelling.image_labels:
            arrays[name][at] = [getattr(label, name) for label in labels]
        for name, (part, field) in parameters.items():
            values = [getattr(getattr(label, part), field) for label in labels]
            arrays[name][at] = np.array(values, "<f8")  # None becomes nan
    if {"borders", "visible"} <= arrays.keys():
        arrays["classes"] = training_classes(arrays["borders"], arrays["visible"])
    np.savez(file, **arrays)
