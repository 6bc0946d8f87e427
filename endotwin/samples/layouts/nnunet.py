"""The raw data format of nnU-Net v2: imagesTr/KEY_0000.png, labelsTr/KEY.png, dataset.json.

Classes are 0 background (the cells), 1 border and, with the label guttae, 2 guttae. Classes exclude each
other: where a border runs under a gutta the pixel is border, as experts draw it through, so class 1 is the
same set of pixels with guttae and without. With the label visible what an expert could not have drawn is of
class ignore, the last one, which nnU-Net leaves out of losses and scores, unless it is guttae. Validation
images are nnU-Net's test set, imagesTs and labelsTs:
it makes five folds of its own of the training images.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np

from endotwin.files import OutputError
from endotwin.samples.layouts.layout import Layout, LayoutSample, write_json, write_pngs

BORDER, GUTTAE = 1, 2

_FOLDER = re.compile(r"Dataset[0-9]{3}_\w[\w-]*")
_CHANNEL = "specular microscopy"  # no name that nnU-Net knows, so it normalises by mean and deviation


class NnunetLayout(Layout):
    """See the module; read by nnU-Net's NaturalImage2DIO."""

    name: ClassVar[str] = "nnunet"
    usual: ClassVar[tuple[str, ...]] = ("borders",)
    holds: ClassVar[frozenset[str]] = frozenset({"borders", "guttae", "visible"})

    @classmethod
    def check_path(cls, path: Path) -> None:
        """Check the name by which nnU-Net finds a data set.

        Raises:
            OutputError: it would not find one of that name.
        """
        name = path.resolve().name
        if not _FOLDER.fullmatch(name):
            raise OutputError(
                f"nnU-Net finds a data set by a folder name such as Dataset501_Endotwin, not by {name}"
            )

    def add(self, samples: Sequence[LayoutSample]) -> None:
        """Write image and class map of each."""
        images = {}
        for sample in samples:
            part = "Ts" if self._set.is_validation(sample.index) else "Tr"
            images[self._folder / f"images{part}" / f"{sample.name}_0000.png"] = sample.image
            images[self._folder / f"labels{part}" / f"{sample.name}.png"] = self._classes(sample)
        write_pngs(images)

    def finish(self) -> None:
        """Write dataset.json."""
        classes = {"background": 0, "border": BORDER}
        if "guttae" in self._set.labelling.labels:
            classes["guttae"] = GUTTAE
        if "visible" in self._set.labelling.labels:
            classes["ignore"] = len(classes)  # nnU-Net wants it last, without a gap
        content = {
            "description": "Synthetic specular-microscopy images of the corneal endothelium, by Endotwin",
            "licence": self._set.terms,
            "channel_names": {"0": _CHANNEL},
            "labels": classes,
            "numTraining": self._set.images.count - self._set.validation_count,
            "file_ending": ".png",
            "overwrite_image_reader_writer": "NaturalImage2DIO",
            "endotwin": self._set.record,
        }
        write_json(self._folder / "dataset.json", content)

    def _classes(self, sample: LayoutSample) -> np.ndarray:
        classes = np.zeros(sample.image.shape, dtype=np.uint8)
        classes[sample.labels["borders"] > 0] = BORDER
        with_guttae = "guttae" in sample.labels
        if "visible" in sample.labels:
            classes[sample.labels["visible"] == 0] = GUTTAE + 1 if with_guttae else BORDER + 1
        if with_guttae:
            classes[(sample.labels["guttae"] > 0) & (sample.labels["borders"] == 0)] = GUTTAE
        return classes
