"""Cellpose: train/KEY.png and train/KEY_masks.png, the number of a cell at each of its pixels.

Validation images are in test/, as Cellpose calls them. dataset.json says where the set comes from.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from endotwin.samples.layouts.layout import Layout, LayoutSample, write_json, write_pngs


class CellposeLayout(Layout):
    """See the module; read by `cellpose.io.load_train_test_data`."""

    name: ClassVar[str] = "cellpose"
    usual: ClassVar[tuple[str, ...]] = ("instances",)
    holds: ClassVar[frozenset[str]] = frozenset({"instances"})
    required: ClassVar[str] = "instances"

    def add(self, samples: Sequence[LayoutSample]) -> None:
        """Write image and cells of each."""
        images = {}
        for sample in samples:
            part = self._folder / ("test" if self._set.is_validation(sample.index) else "train")
            images[part / f"{sample.name}.png"] = sample.image
            images[part / f"{sample.name}_masks.png"] = sample.labels["instances"]
        write_pngs(images)

    def finish(self) -> None:
        """Write dataset.json: where the set comes from."""
        write_json(self._folder / "dataset.json", {"endotwin": self._set.record})
