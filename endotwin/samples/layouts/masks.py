"""Plain folders: images/KEY.png, masks/KEY.png (borders, 0 or 255), instances/KEY.png (16 bit).

Other labels have a folder of their own name; with `visible` there is classes/KEY.png: 1 on a border,
0 in a cell and 255 where neither is visible. parameters.csv has a row for each image. With a validation
part, all of these are in train/ and in validation/. dataset.json says where the set comes from.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from endotwin.samples.labelling import IMAGE_LABELS, training_classes
from endotwin.samples.layouts.layout import Layout, LayoutSample, write_json, write_pngs

LABEL_FOLDERS = {"borders": "masks"}
"""Folders that have another name than their label."""


class MasksLayout(Layout):
    """See the module."""

    name: ClassVar[str] = "masks"
    usual: ClassVar[tuple[str, ...]] = ("borders", "instances", "parameters")
    holds: ClassVar[frozenset[str]] = frozenset({*IMAGE_LABELS, "parameters"})

    def add(self, samples: Sequence[LayoutSample]) -> None:
        """Write image and labels of each."""
        images = {}
        for sample in samples:
            part = self._folder
            if self._set.validation_every is not None:
                part /= self._set.part(sample.index)
            images[part / "images" / f"{sample.name}.png"] = sample.image
            for label, pixels in sample.labels.items():
                images[part / LABEL_FOLDERS.get(label, label) / f"{sample.name}.png"] = pixels
            if "visible" in sample.labels:
                classes = training_classes(sample.labels["borders"], sample.labels["visible"])
                images[part / "classes" / f"{sample.name}.png"] = classes
            if "parameters" in sample.record:
                part.mkdir(exist_ok=True)
                _add_row(part / "parameters.csv", sample)
        write_pngs(images)

    def finish(self) -> None:
        """Write dataset.json: where the set comes from."""
        write_json(self._folder / "dataset.json", {"endotwin": self._set.record})


def _add_row(path: Path, sample: LayoutSample) -> None:
    """Add key, index and parameters of an image; what does not exist is an empty cell."""
    parameters = sample.record["parameters"]
    row = {"key": sample.name, "index": sample.index}
    row |= {
        f"{part}_{name}": value for part, values in parameters.items() for name, value in values.items()
    }
    with path.open("a", newline="", encoding="utf-8") as file:
        rows = csv.DictWriter(file, row, lineterminator="\n")
        if not file.tell():
            rows.writeheader()
        rows.writerow(row)
