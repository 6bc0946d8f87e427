"""COCO: train/KEY.png, annotations/instances_train.json; category 1 are cells, 2 guttae.

Segmentations are polygons along the sides of pixels: pycocotools makes exactly the label's pixels of them.
Validation images are in validation/ and annotations/instances_validation.json.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from endotwin.samples.layouts.layout import Layout, LayoutSample, LayoutSet, write_pngs
from endotwin.samples.layouts.outlines import outline_area, outlines

CELL, GUTTAE = 1, 2


class CocoLayout(Layout):
    """See the module."""

    name: ClassVar[str] = "coco"
    usual: ClassVar[tuple[str, ...]] = ("instances", "parameters")
    holds: ClassVar[frozenset[str]] = frozenset({"instances", "guttae", "parameters"})
    required: ClassVar[str] = "instances"

    def __init__(self, folder: Path, wanted: LayoutSet) -> None:
        """Begin a set in an empty folder."""
        super().__init__(folder, wanted)
        self._annotations = folder / "annotations"
        self._annotated: Counter[str] = Counter()

    def add(self, samples: Sequence[LayoutSample]) -> None:
        """Write the images, and their entries to lists for `finish`: memory does not grow with the set."""
        self._annotations.mkdir(exist_ok=True)
        images: dict[Path, np.ndarray] = {}
        for sample in samples:
            part = self._set.part(sample.index)
            images[self._folder / part / f"{sample.name}.png"] = sample.image
            annotations = list(_annotations(sample))
            for annotation in annotations:
                self._annotated[part] += 1
                annotation["id"] = self._annotated[part]
            for kind, entries in (("images", [_image(sample)]), ("annotations", annotations)):
                with self._list(part, kind).open("a", encoding="utf-8") as file:
                    file.writelines(f"{json.dumps(entry)}\n" for entry in entries)
        write_pngs(images)

    def finish(self) -> None:
        """Write the files of annotations."""
        categories = [{"id": CELL, "name": "cell", "supercategory": "endothelium"}]
        if "guttae" in self._set.labelling.labels:
            categories.append({"id": GUTTAE, "name": "guttae", "supercategory": "endothelium"})
        about = {"description": "Synthetic corneal endothelium, by Endotwin", "endotwin": self._set.record}
        head = {
            "info": about,
            "licenses": [{"id": 1, "name": self._set.terms, "url": ""}],
            "categories": categories,
        }
        for part in self._set.parts:
            with (self._annotations / f"instances_{part}.json").open("w", encoding="utf-8") as file:
                file.write(json.dumps(head, indent=1, ensure_ascii=False).removesuffix("\n}"))
                for kind in ("images", "annotations"):
                    file.write(f',\n "{kind}": [')
                    with self._list(part, kind).open(encoding="utf-8") as entries:
                        for number, entry in enumerate(entries):
                            file.write(f"{',' if number else ''}\n  {entry.rstrip()}")
                    file.write("\n ]")
                    self._list(part, kind).unlink()
                file.write("\n}\n")

    def _list(self, part: str, kind: str) -> Path:
        return self._annotations / f".{part}-{kind}"


def _image(sample: LayoutSample) -> dict[str, Any]:
    height, width = sample.image.shape
    about = {"id": sample.index, "file_name": f"{sample.name}.png", "width": width, "height": height}
    return {**about, "license": 1, **sample.record.get("parameters", {})}


def _annotations(sample: LayoutSample) -> Iterator[dict[str, Any]]:
    """Yield the annotations of an image, without their ids: every cell, then every area of guttae."""
    for polygons in outlines(sample.labels["instances"]).values():
        yield _annotation(sample, CELL, polygons)
    if "guttae" in sample.labels:
        for polygons in outlines(sample.labels["guttae"] > 0).values():
            yield from (_annotation(sample, GUTTAE, [polygon]) for polygon in polygons)


def _annotation(sample: LayoutSample, category: int, polygons: Sequence[np.ndarray]) -> dict[str, Any]:
    corners = np.concatenate(polygons)
    left, top = corners.min(axis=0)
    right, bottom = corners.max(axis=0)
    return {
        "image_id": sample.index,
        "category_id": category,
        "segmentation": [[_number(value) for value in polygon.ravel()] for polygon in polygons],
        "area": int(sum(outline_area(polygon) for polygon in polygons)),
        "bbox": [int(left), int(top), int(right - left), int(bottom - top)],
        "iscrowd": 0,
    }


def _number(value: float) -> int | float:
    """Write whole numbers, which nearly all are, without a point."""
    return int(value) if value == int(value) else float(value)
