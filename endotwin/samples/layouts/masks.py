"""Plain folders: images/KEY.png, masks/KEY.png (borders, 0 or 255), instances/KEY.png (16 bit).

Other labels have a folder of their own name. With a validation part, the folders are in train/ and
validation/. dataset.json says where the set comes from.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from endotwin.samples.labelling import IMAGE_LABELS
from endotwin.samples.layouts.layout import Layout, LayoutSample, write_json, write_pngs

_FOLDERS = {"borders": "masks"}


class MasksLayout(Layout):
    """See the module."""

    name: ClassVar[str] = "masks"
    usual: ClassVar[tuple[str, ...]] = ("borders", "instances")
    holds: ClassVar[frozenset[str]] = frozenset(IMAGE_LABELS)

    def add(self, samples: Sequence[LayoutSample]) -> None:
        """Write image and labels of each."""
        images = {}
        for sample in samples:
            part = self._folder
            if self._set.validation_every is not None:
                part /= "validation" if self._set.is_validation(sample.index) else "train"
            images[part / "images" / f"{sample.name}.png"] = sample.image
            for label, pixels in sample.labels.items():
                images[part / _FOLDERS.get(label, label) / f"{sample.name}.png"] = pixels
        write_pngs(images)

    def finish(self) -> None:
        """Write dataset.json: where the set comes from."""
        write_json(self._folder / "dataset.json", {"endotwin": self._set.record})
