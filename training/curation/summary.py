"""Write `curation.json`, the decision on every file without its name, and the private list of names."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from endotwin.files import whole_file
from training.curation.clean_field import Box
from training.curation.decisions import Decision, Reason
from training.curation.record_store import ImageRecord
from training.curation.thresholds import Thresholds

SUMMARY = "curation.json"
ORIGINALS = "originals.private.json"


class FileDecision(BaseModel):
    """One file of the raw folder.

    Attributes:
        file: its number; `originals.private.json` lists its path.
        digest: of its bytes; None where they could not be read.
        kept: whether it is in `images`, as `DIGEST.png`.
        reason: why it was dropped.
        detail: for an unreadable file, what is wrong with it.
        measure: the measured value that decided: its name.
        value: the value.
        limit: the threshold's name in the thresholds file.
        of: digest of the image that this one is a duplicate of.
        points: of a near duplicate, points found in the other image.
        overlap: of a near duplicate, share of the smaller image that both show.
        kept_by_hand: kept by a line of the overrides file.
        box: what was kept of the image (left, top, right, bottom).
        size: of the image (width, height).
        found: share of the image by what was found beside or inside the field.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: int
    digest: str | None
    kept: bool
    reason: Reason | None = None
    detail: str | None = None
    measure: str | None = None
    value: float | None = None
    limit: str | None = None
    of: str | None = None
    points: int | None = None
    overlap: float | None = None
    kept_by_hand: bool = False
    box: Box | None = None
    size: tuple[int, int] | None = None
    found: dict[str, float] = {}

    @classmethod
    def unreadable(cls, number: int, digest: str | None, detail: str) -> FileDecision:
        """Return the decision on a file that could not be read."""
        return cls(file=number, digest=digest, kept=False, reason=Reason.UNREADABLE, detail=detail)

    @classmethod
    def decided(cls, number: int, digest: str, decision: Decision, record: ImageRecord) -> FileDecision:
        """Return the decision on a file that could be read."""
        check, match = decision.check, decision.match
        return cls(
            file=number,
            digest=digest,
            kept=decision.kept,
            reason=decision.reason,
            measure=check.name if check else None,
            value=check.value if check else None,
            limit=check.threshold if check else None,
            of=decision.of,
            points=match.points if match else None,
            overlap=match.overlap if match else None,
            kept_by_hand=decision.kept_by_hand,
            box=record.box,
            size=None if record.width is None or record.height is None else (record.width, record.height),
            found=record.found,
        )


class CurationSummary(BaseModel):
    """Everything that may leave the clinic about a curation, beside the images.

    Attributes:
        format: of this file.
        counts: files found, kept, kept by hand, and dropped for each reason.
        thresholds: all numbers that decided.
        flattened: whether the illumination of the kept images was flattened.
        files: in the order of their digests.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["endotwin-curation-1"] = "endotwin-curation-1"
    counts: dict[str, int]
    thresholds: Thresholds
    flattened: bool
    files: list[FileDecision]

    @classmethod
    def of(cls, files: Iterable[FileDecision], thresholds: Thresholds, *, flat: bool) -> CurationSummary:
        """Count the decisions."""
        files = list(files)
        reasons = Counter(file.reason for file in files if file.reason is not None)
        counts = {
            "found": len(files),
            "kept": sum(file.kept for file in files),
            "kept by hand": sum(file.kept_by_hand for file in files),
            **{reason.value: reasons[reason] for reason in Reason},
        }
        return cls(counts=counts, thresholds=thresholds, flattened=flat, files=files)


def write_summary(summary: CurationSummary, out: Path) -> None:
    """Write `curation.json`."""
    with whole_file(out / SUMMARY) as file:
        file.write(summary.model_dump_json(indent=1, exclude_defaults=False).encode() + b"\n")


def write_originals(originals: Sequence[tuple[Path, str | None]], out: Path) -> None:
    """Write the paths of the files of `curation.json`: this list never leaves the clinic.

    Args:
        originals: path below the raw folder and digest of each file, in the order of their numbers.
        out: the output folder.
    """
    entries = [
        {"file": number, "digest": digest, "path": path.as_posix()}
        for number, (path, digest) in enumerate(originals, start=1)
    ]
    note = "Names of original files, which may hold names of patients. Never share this file."
    text = json.dumps({"note": note, "originals": entries}, indent=1)
    with whole_file(out / ORIGINALS) as file:
        file.write(text.encode() + b"\n")
