"""`report.private.html`: the funnel, a contact sheet per reason, and what was cut, in one file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from training.curation.decisions import Reason
from training.curation.run import Curation
from training.curation.summary import FileDecision
from training.html_page import write_page

REPORT = "report.private.html"

SHOWN = 120
"""Pictures of a contact sheet: those nearest to their threshold, since those are wrong first."""

_UNTOUCHED = 0.995
"""An image that keeps this share of its area was not cut."""

_TITLES = {
    Reason.UNREADABLE: "Files that could not be read",
    Reason.EXACT_DUPLICATE: "The same pixels as another file",
    Reason.TOO_SMALL: "Smaller than a training crop",
    Reason.EMPTY: "Black, or of one level",
    Reason.IRRELEVANT: "No cell mosaic",
    Reason.NEAR_DUPLICATE: "The same cells as another image (shown beside it)",
    Reason.BLURRY: "Blurry or hazy: cells cannot be seen in a large enough part",
    Reason.SATURATED: "Saturated",
    Reason.TOO_DARK: "Too dark",
    Reason.BY_HAND: "Dropped by a line of the overrides file",
}


def write_curation_report(curation: Curation, out: Path) -> Path:
    """Write the report and return its path."""
    counts = curation.summary.counts
    funnel, dropped = [], []
    left = counts["found"]
    for reason in Reason:
        files = [file for file in curation.summary.files if file.reason is reason]
        if not files:
            continue
        left -= len(files)
        anchor = reason.value.replace(" ", "-")
        funnel.append({"anchor": anchor, "reason": reason.value, "dropped": len(files), "left": left})
        files.sort(key=lambda file: _distance(curation, file))
        unreadable = reason is Reason.UNREADABLE
        dropped.append(
            {
                "anchor": anchor,
                "title": _TITLES[reason],
                "unreadable": files if unreadable else None,
                **_sheet(curation, () if unreadable else files),
                "count": len(files),
            }
        )
    kept = [file for file in curation.summary.files if file.kept]
    cut = sorted((file for file in kept if _share(file) < _UNTOUCHED), key=_share)
    path = out / REPORT
    write_page(
        path,
        "curation.html",
        title="Curation report",
        counts=counts,
        funnel=funnel,
        dropped=dropped,
        cut=_sheet(curation, cut),
        whole=_sheet(curation, [file for file in kept if _share(file) >= _UNTOUCHED]),
    )
    return path


def _sheet(curation: Curation, files: Sequence[FileDecision]) -> dict[str, Any]:
    """Return the number of files, and a figure for each of the first of them."""
    return {"count": len(files), "figures": [_figure(curation, file) for file in files[:SHOWN]]}


def _figure(curation: Curation, file: FileDecision) -> dict[str, Any]:
    assert file.digest is not None
    same_bytes = file.of == file.digest
    shown = [file.digest] if file.of is None or same_bytes else [file.digest, file.of]
    return {
        "pictures": [_picture(curation, digest) for digest in shown],
        "caption": _caption(curation, file),
        # The same bytes have one digest, and one decision.
        "override": None if same_bytes else f"{'drop' if file.kept else 'keep'}: {file.digest}",
    }


def _caption(curation: Curation, file: FileDecision) -> str:
    if file.points is not None and file.overlap is not None:
        return f"{file.points} points in {file.of}, overlap {file.overlap:.0%}"
    if file.of is not None:
        return f"{'same bytes as' if file.of == file.digest else 'copy of'} {file.of}"
    text = ""
    if file.measure is not None and file.value is not None and file.limit is not None:
        limit = getattr(curation.summary.thresholds.limits, file.limit)
        text = f"{file.measure} {file.value:.3g}, {file.limit} {limit:g}"
    if file.kept_by_hand:
        return f"kept by hand: {text}"
    if file.kept:
        found = ", ".join(f"{kind} {share:.1%}" for kind, share in file.found.items())
        return f"{_share(file):.0%} kept" + (f"; {found}" if found else "")
    return text


def _picture(curation: Curation, digest: str) -> dict[str, Any]:
    """Return a thumbnail, and where on it the field lies, in percent; None where the field is all of it."""
    record = curation.records[digest]
    field = None
    if record.box and record.width and record.height and record.box.area < record.width * record.height:
        box = record.box
        field = {
            "left": f"{100 * box.left / record.width:.2f}",
            "top": f"{100 * box.top / record.height:.2f}",
            "width": f"{100 * box.width / record.width:.2f}",
            "height": f"{100 * box.height / record.height:.2f}",
        }
    return {"jpeg": curation.store.thumbnail(digest), "field": field}


def _distance(curation: Curation, file: FileDecision) -> float:
    """Return how far beyond its threshold a value is, relative to the threshold."""
    limits = curation.summary.thresholds.limits
    if file.points is not None:
        return file.points / limits.points_min
    if file.value is None or file.limit is None:
        return 0.0
    limit = float(getattr(limits, file.limit))
    return abs(file.value - limit) / max(abs(limit), 1e-9)


def _share(file: FileDecision) -> float:
    if file.box is None or file.size is None:
        return 1.0
    return file.box.area / (file.size[0] * file.size[1])
