"""Writing a set as a layout: the folder appears whole or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from endotwin.files import new_folder
from endotwin.samples.layouts.cellpose import CellposeLayout
from endotwin.samples.layouts.coco import CocoLayout
from endotwin.samples.layouts.imagefolder import ImagefolderLayout
from endotwin.samples.layouts.layout import Layout, LayoutSample, LayoutSet
from endotwin.samples.layouts.masks import MasksLayout
from endotwin.samples.layouts.nnunet import NnunetLayout
from endotwin.samples.layouts.yolo_seg import YoloSegLayout

LAYOUTS: dict[str, type[Layout]] = {
    layout.name: layout
    for layout in (
        NnunetLayout,
        MasksLayout,
        ImagefolderLayout,
        CocoLayout,
        YoloSegLayout,
        CellposeLayout,
    )
}
"""Every layout, by the name a caller asks for."""


def write_layout(
    layout: type[Layout], wanted: LayoutSet, batches: Iterable[Sequence[LayoutSample]], output: Path
) -> None:
    """Write a set; `batches` are its samples in index order.

    A folder that is there is never replaced, only an empty one filled: names such as `images` do not show
    whether a set was generated.

    Raises:
        LabellingError: the layout needs validation images, and the set has none.
        OutputError: there is something at `output`, or the layout cannot be there.
        OSError: the output cannot be written.
        ValueError: the samples are not as many as the set has.
    """
    layout.check_set(wanted)
    layout.check_path(output)
    with new_folder(output) as folder:
        files = layout(folder, wanted)
        added = 0
        for samples in batches:
            files.add(samples)
            added += len(samples)
        if added != wanted.images.count:
            raise ValueError(f"{added} samples for a set of {wanted.images.count}")
        files.finish()
