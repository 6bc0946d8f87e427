"""A sample: one image under a name of its own, its labels, and a record of where it came from.

Names and files are the same in every format that has files, so sets from different calls merge.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from endotwin.files import OutputError, require_folder
from endotwin.samples.labelling import IMAGE_LABELS, PLAIN, Labelling
from endotwin.samples.png import encode_pngs

if TYPE_CHECKING:  # it brings scipy, and the command line does without until it generates
    from endotwin.mosaic.labels import Label

_SAMPLE_FILE = re.compile(rf"\d+-\d{{8,}}\.((({'|'.join(IMAGE_LABELS)})\.)?png|json)")
_LABEL_FILE = re.compile(rf".*\.({'|'.join(IMAGE_LABELS)})\.png")


def sample_name(seed: int, index: int) -> str:
    """Name a sample, such as `7-00000042`: no dot, so WebDataset takes all of it as the key.

    Names of one seed sort by index up to 99,999,999; from there on they only grow longer.
    """
    return f"{seed}-{index:08d}"


def is_label_file(name: str) -> bool:
    """Tell whether a file of a sample is the image of a label, such as `7-00000042.borders.png`."""
    return _LABEL_FILE.fullmatch(name) is not None


def require_only_samples(path: Path, *, replace: bool) -> None:
    """Check that a folder of samples can be made at `path`, in the place of another one if need be.

    Args:
        path: the folder, absolute.
        replace: whether samples that are there may be lost.

    Raises:
        OutputError: something else is there, or samples that must stay.
    """
    require_folder(path)
    names = sorted(entry.name for entry in path.iterdir()) if path.exists() else []
    foreign = [name for name in names if not _SAMPLE_FILE.fullmatch(name)]
    if foreign:
        raise OutputError(
            f"{path} holds something other than samples ({foreign[0]}) and is never replaced; "
            "give the name of another folder"
        )
    if names and not replace:
        raise OutputError(f"{path} holds samples already; --force replaces them")


def sample_files(
    images: np.ndarray,
    seed: int,
    start: int,
    model: str,
    checkpoint_sha256: str,
    labelling: Labelling = PLAIN,
    labels: Sequence[Label] = (),
) -> Iterator[tuple[str, bytes]]:
    """Yield the files (name, content) of consecutive samples.

    For each sample its PNG, a PNG for each of its labels that is an image, then its JSON record.

    Args:
        images: uint8 grey levels, shape (B, H, W).
        seed: seed of the images.
        start: index of the first image.
        model: name of the checkpoint.
        checkpoint_sha256: sha256 of the checkpoint file.
        labelling: what was asked for.
        labels: of the images, where `labelling` has labels.
    """
    pngs = {"png": encode_pngs(images)}
    for kind in labelling.image_labels:
        pngs[f"{kind}.png"] = encode_pngs([getattr(label, kind) for label in labels])
    for at in range(len(images)):
        name = sample_name(seed, start + at)
        yield from ((f"{name}.{suffix}", contents[at]) for suffix, contents in pngs.items())
        record = sample_record(
            seed, start + at, model, checkpoint_sha256, labelling, labels[at] if labels else None
        )
        yield f"{name}.json", json.dumps(record, sort_keys=True).encode()


def sample_record(
    seed: int,
    index: int,
    model: str,
    checkpoint_sha256: str,
    labelling: Labelling = PLAIN,
    label: Label | None = None,
) -> dict[str, Any]:
    """Make the record of a sample, for JSON.

    It holds what `image(checkpoint, seed, index, conditions)` needs, the labels that are no images, and
    nothing that varies between runs. What cannot be measured on too few cells is None.

    Args:
        seed: seed of the image.
        index: of the image.
        model: name of the checkpoint.
        checkpoint_sha256: sha256 of the checkpoint file.
        labelling: what was asked for.
        label: of the image, where `labelling` has labels.
    """
    record: dict[str, Any] = {
        "checkpoint_sha256": checkpoint_sha256,
        "index": index,
        "model": model,
        "seed": seed,
    }
    if labelling.given:
        record["conditions"] = dict(labelling.given)
    if label is not None and "parameters" in labelling.labels:
        record["parameters"] = {"asked": asdict(label.asked), "measured": asdict(label.measured)}
    if label is not None and "cells" in labelling.labels:
        record["cells"] = _list_cells(label)
    return record


def _list_cells(label: Label) -> list[dict[str, Any]]:
    """Return the table of cells; see `endotwin.mosaic.labels.Cell`."""
    return [
        {
            "id": cell.id,
            "x": cell.x,
            "y": cell.y,
            "area_px": cell.area,
            "area_um2": round(cell.area * label.asked.pixel_size**2, 3),
            "sides": cell.sides,
            "neighbours": list(cell.neighbours),
            "counted": cell.counted,
        }
        for cell in label.cells
    ]
