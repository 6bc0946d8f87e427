"""Samples as arrays: what Python users get, from a checkpoint here or from a service."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from endotwin.field_size import STANDARD, FieldSize
from endotwin.samples.sample import Provenance, labels_of, sample_name, sample_record

if TYPE_CHECKING:
    from endotwin.generator.batch import Batch


class DamagedSampleError(ValueError):
    """Files that are not those of the sample that they should be; the message says why."""


@dataclass(frozen=True, eq=False)
class Sample:
    """One image and its labels.

    Attributes:
        seed: 0 to 2**64 - 1.
        index: 0 to 2**53 - 1.
        image: uint8 grey levels (H, W), (128, 128) unless another `size` was asked for.
        labels: the labels that are images, by name, each (H, W): `instances` uint16, the others uint8
            of 0 to 255.
        record: where the sample is from (`model`, `generator_sha256`, `seed`, `index`, `conditions`), and
            the labels that are no images; the JSON record of the other formats (docs/data-user.md).
    """

    seed: int
    index: int
    image: np.ndarray
    labels: Mapping[str, np.ndarray]
    record: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Name of the sample in every format, such as `7-00000042`."""
        return sample_name(self.seed, self.index)

    @property
    def parameters(self) -> Mapping[str, Mapping[str, float | None]] | None:
        """The label `parameters`: `asked` and `measured` numbers by name; None if it was not asked for."""
        return self.record.get("parameters")

    @property
    def cells(self) -> list[dict[str, Any]] | None:
        """The label `cells`: a dict for each cell; None if it was not asked for."""
        return self.record.get("cells")


def samples_of(batch: Batch, provenance: Provenance) -> Iterator[Sample]:
    """Yield the samples of a batch, with the labels of the provenance."""
    labels = labels_of(batch, provenance.labelling)
    for at, index in enumerate(batch.range.indices):
        label = labels[at] if labels else None
        yield Sample(
            batch.range.seed,
            index,
            batch.images[at],
            {name: getattr(label, name) for name in provenance.labelling.image_labels},
            sample_record(batch.range.seed, index, provenance, label),
        )


def read_sample(seed: int, index: int, files: Mapping[str, bytes], size: FieldSize = STANDARD) -> Sample:
    """Read a sample from its files, as `sample_files` makes them.

    Args:
        seed: that it should have.
        index: that it should have.
        files: content by name.
        size: that its images should have.

    Raises:
        DamagedSampleError: they are not those of this sample, or cannot be read.
    """
    name = sample_name(seed, index)
    kinds = {}
    for file, content in files.items():
        key, _, kind = file.partition(".")
        if key != name:
            raise DamagedSampleError(f"the sample should be {name}, got a file {file[:60]!r}")
        kinds[kind] = content
    if not kinds.keys() >= {"png", "json"}:
        raise DamagedSampleError(f"{name} lacks its image or its record, got {', '.join(files)}")
    try:
        record = json.loads(kinds.pop("json"))
        arrays = {
            kind.removesuffix("png").removesuffix("."): _read_png(content, size)
            for kind, content in kinds.items()
        }
    except (ValueError, OSError, SyntaxError) as error:  # Pillow raises SyntaxError for a broken PNG
        raise DamagedSampleError(f"{name} cannot be read: {error}") from error
    if not isinstance(record, dict) or (record.get("seed"), record.get("index")) != (seed, index):
        raise DamagedSampleError(f"{name} has the record of another sample")
    image = arrays.pop("")
    return Sample(seed, index, image, arrays, record)


def _read_png(content: bytes, size: FieldSize) -> np.ndarray:
    with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
        array = np.asarray(image)
    if array.shape != size.shape:
        raise ValueError(f"an image has the shape {array.shape}, not {size.shape}")
    return array
