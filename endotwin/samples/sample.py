"""A sample: one image under a name of its own, its labels, and a record of where it came from.

Names and files are the same in every format that has files, so sets from different calls merge.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from endotwin.files import OutputError, require_folder
from endotwin.generator.batch import Batch
from endotwin.samples.labelling import IMAGE_LABELS, PLAIN, Labelling
from endotwin.samples.png import encode_pngs

if TYPE_CHECKING:  # it takes pydantic, which the command line does without until it generates
    from endotwin.mosaic.labels import Label

_SAMPLE_FILE = re.compile(rf"\d+-\d{{8,}}\.((({'|'.join(IMAGE_LABELS)})\.)?png|json)")
_LABEL_FILE = re.compile(rf".*\.({'|'.join(IMAGE_LABELS)})\.png")


@dataclass(frozen=True)
class Provenance:
    """Where samples come from, beside their seed and index.

    Attributes:
        model: name of the checkpoint.
        generator_sha256: of the checkpoint, see `Checkpoint.generator_sha256`.
        labelling: the labels that come with the images, and the conditions that they meet.
    """

    model: str
    generator_sha256: str
    labelling: Labelling = PLAIN


def sample_name(seed: int, index: int) -> str:
    """Name a sample, such as `7-00000042`: no dot, so WebDataset takes all of it as the key.

    Names of one seed sort by index up to 99,999,999; from there on they only grow longer.
    """
    return f"{seed}-{index:08d}"


def is_label_file(name: str) -> bool:
    """Return whether a file of a sample is the image of a label, such as `7-00000042.borders.png`."""
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


def sample_files(batch: Batch, provenance: Provenance) -> Iterator[tuple[str, bytes]]:
    """Yield the files (name, content) of the samples of a batch.

    For each sample its PNG, a PNG for each of its labels that is an image, then its JSON record.
    """
    labelling = provenance.labelling
    labels = labels_of(batch, labelling)
    pngs = {"png": encode_pngs(batch.images)}
    for kind in labelling.image_labels:
        pngs[f"{kind}.png"] = encode_pngs([getattr(label, kind) for label in labels])
    for at, index in enumerate(batch.range.indices):
        name = sample_name(batch.range.seed, index)
        yield from ((f"{name}.{suffix}", contents[at]) for suffix, contents in pngs.items())
        record = sample_record(batch.range.seed, index, provenance, labels[at] if labels else None)
        yield f"{name}.json", json.dumps(record, sort_keys=True).encode()


def labels_of(batch: Batch, labelling: Labelling) -> list[Label]:
    """Compute the labels of a batch if any are wanted, else return none.

    Raises:
        ValueError: they are wanted, and the batch has not one scene per image.
    """
    if not labelling.labels:
        return []
    if len(batch.scenes) != batch.range.count:
        raise ValueError(f"{len(batch.scenes)} labels for {batch.range.count} images")
    return batch.labels()


def sample_record(
    seed: int, index: int, provenance: Provenance, label: Label | None = None
) -> dict[str, Any]:
    """Return the record of a sample, for JSON.

    It holds what `image(checkpoint, seed, index, conditions)` needs, the labels that are no images, and
    nothing that varies between runs. What cannot be measured on too few cells is None.
    """
    labelling = provenance.labelling
    record: dict[str, Any] = {
        "generator_sha256": provenance.generator_sha256,
        "index": index,
        "model": provenance.model,
        "seed": seed,
    }
    if labelling.given:
        record["conditions"] = dict(labelling.given)
    if label is not None and "parameters" in labelling.labels:
        asked = asdict(label.asked)
        if labelling.appearance:
            asked["appearance"] = labelling.appearance
        record["parameters"] = {"asked": asked, "measured": asdict(label.measured)}
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
