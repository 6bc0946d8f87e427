"""Ultralytics YOLO segmentation: images/train/KEY.png, labels/train/KEY.txt, data.yaml.

A line is a class and the outline of a cell or of an area of guttae: `0 x y x y …`, as shares of the image's
width and height. Validation images are in images/validation; Ultralytics loads no set without.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import ClassVar

import numpy as np

from endotwin.samples.layouts.layout import Layout, LayoutSample, write_pngs
from endotwin.samples.layouts.outlines import outline_area, outlines

CELL, GUTTAE = 0, 1

_INSET = 0.05
_DIGITS = 5


class YoloSegLayout(Layout):
    """See the module."""

    name: ClassVar[str] = "yolo-seg"
    usual: ClassVar[tuple[str, ...]] = ("instances",)
    holds: ClassVar[frozenset[str]] = frozenset({"instances", "guttae"})
    required: ClassVar[str] = "instances"
    needs_validation: ClassVar[bool] = True

    def add(self, samples: Sequence[LayoutSample]) -> None:
        """Write image and outlines of each."""
        images = {}
        for sample in samples:
            part = self._set.part(sample.index)
            images[self._folder / "images" / part / f"{sample.name}.png"] = sample.image
            labels = self._folder / "labels" / part
            labels.mkdir(parents=True, exist_ok=True)
            (labels / f"{sample.name}.txt").write_text("".join(_lines(sample)), encoding="ascii")
        write_pngs(images)

    def finish(self) -> None:
        """Write data.yaml, whose folder is the root of the set."""
        names = {CELL: "cell"} | ({GUTTAE: "guttae"} if "guttae" in self._set.labelling.labels else {})
        lines = ["train: images/train", "val: images/validation", "names:"]
        lines += [f"  {number}: {name}" for number, name in names.items()]
        lines += [f"endotwin: {json.dumps(self._set.record, ensure_ascii=False)}"]  # JSON is YAML
        (self._folder / "data.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _lines(sample: LayoutSample) -> Iterator[str]:
    height, width = sample.image.shape
    size = np.array([width, height])

    def line(number: int, polygon: np.ndarray) -> str:
        places = np.round(polygon / size, _DIGITS).ravel().tolist()
        return f"{number} {' '.join(map(str, places))}\n"

    for polygons in outlines(sample.labels["instances"], _INSET).values():
        yield line(CELL, max(polygons, key=outline_area))  # a cell has one outline here
    if "guttae" in sample.labels:
        for polygons in outlines(sample.labels["guttae"] > 0, _INSET).values():
            yield from (line(GUTTAE, polygon) for polygon in polygons)
