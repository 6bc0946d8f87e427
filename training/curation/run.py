"""A whole curation: find, measure, decide, compare, write. A run resumes the one that was stopped."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from endotwin.files import whole_file
from endotwin.image_reading import DataError
from training.curation.clean_field import Box
from training.curation.decisions import (
    ComparedPair,
    Decision,
    Reason,
    apply_overrides,
    decide_by_measures,
    decide_duplicates,
    first_copies,
    same_cells,
    shows_mosaic,
)
from training.curation.duplicates import (
    candidate_pairs,
    hash_features,
    mean_descriptor,
    missing_within_groups,
)
from training.curation.groups import Together, group_folders
from training.curation.image_files import find_files
from training.curation.overrides import TEMPLATE, Overrides, read_overrides
from training.curation.record_store import ImageRecord, RecordStore
from training.curation.summary import CurationSummary, FileDecision, write_originals, write_summary
from training.curation.thresholds import Thresholds
from training.curation.worker_pool import run_each
from training.curation.worker_tasks import (
    ImageToWrite,
    MeasuredFile,
    match_stored,
    measure_file,
    write_image,
)

IMAGES = "images"
WORK = "work.private"
OVERRIDES = "overrides.txt"

_SAMPLE = 500
"""Images that the centre of all hashes is taken from."""

_OUTPUT = re.compile(r"[0-9a-f]{16}\.png")

ProgressBar = Callable[[Iterable[Any], str, int], Iterable[Any]]
"""Returns the steps it is given, and shows how many of the total are done: (steps, what is done, total)."""


@dataclass(frozen=True)
class CurationSettings:
    """How a folder is curated.

    Attributes:
        thresholds: what is dropped, and how the field is cut.
        flat: flatten the illumination of the images that are written.
        workers: processes.
        overrides: the overrides file; None: `overrides.txt` in the output folder.
        together: which images may be of one patient; None: nobody says.
    """

    thresholds: Thresholds
    flat: bool
    workers: int
    overrides: Path | None = None
    together: Together | None = None


@dataclass(frozen=True)
class Curation:
    """The result of a curation.

    Attributes:
        summary: as in `curation.json`.
        records: for each digest, what was measured.
        decisions: for each digest, whether the image is kept, and why not.
        unknown: digests in the overrides file that no image has.
        store: where thumbnails are.
    """

    summary: CurationSummary
    records: dict[str, ImageRecord]
    decisions: dict[str, Decision]
    unknown: list[str]
    store: RecordStore


@dataclass(frozen=True)
class _RawFile:
    """A file or folder below the raw folder, and the digest of its contents or why there is none."""

    path: Path
    measured: MeasuredFile


def curate(raw: Path, out: Path, settings: CurationSettings, progress: ProgressBar) -> Curation:
    """Sort the images below a folder into kept and dropped, and write the kept ones and `curation.json`.

    Args:
        raw: nothing in it is changed.
        out: where everything is written; kept images of an earlier run that are not kept now are removed.
        settings: see there.
        progress: wraps what takes long.

    Raises:
        DataError: one folder lies in the other, there are no files, or the overrides cannot be read.
    """
    _check_folders(raw, out)
    overrides = _overrides(out, settings.overrides)
    store = RecordStore.of(out / WORK, settings.thresholds.cutting)
    files = list(_measured(raw, store, settings, progress))
    records = {digest: _record(store, digest) for digest in {f.measured.digest for f in files} if digest}
    decisions = _decisions(records, store, settings, progress)
    decisions = apply_overrides(decisions, overrides)
    failed = _write_images(raw, out, files, records, decisions, settings, progress)
    for digest, why in failed.items():
        decisions[digest] = Decision(Reason.UNREADABLE)
        records[digest] = ImageRecord(digest=digest, unreadable=why)
    numbered = sorted(files, key=lambda file: (file.measured.digest or "~", str(file.path)))
    entries = list(_entries(numbered, records, decisions))
    summary = CurationSummary.of(entries, settings.thresholds, flat=settings.flat)
    write_summary(summary, out)
    write_originals([(f.path.relative_to(raw), f.measured.digest) for f in numbered], out)
    unknown = overrides.unknown(frozenset(records))
    return Curation(summary, records, decisions, unknown, store)


def _check_folders(raw: Path, out: Path) -> None:
    if not raw.is_dir():
        raise DataError(f"{raw}: no such folder")
    source, target = raw.resolve(), out.resolve()
    if source == target or source in target.parents or target in source.parents:
        raise DataError(f"{out}: may not lie in {raw}, nor the other way round; originals stay untouched")


def _overrides(out: Path, path: Path | None) -> Overrides:
    default = out / OVERRIDES
    if path is None and not default.exists():
        with whole_file(default) as file:
            file.write(TEMPLATE.encode())
    return read_overrides(path or default)


def _measured(
    raw: Path, store: RecordStore, settings: CurationSettings, progress: ProgressBar
) -> Iterator[_RawFile]:
    paths, skipped = find_files(raw)
    if not paths:
        raise DataError(f"{raw}: no files in it")
    for folder in skipped:
        yield _RawFile(folder.path, MeasuredFile(None, folder.reason))
    work = partial(measure_file, store=store, cutting=settings.thresholds.cutting)
    found = run_each(work, paths, settings.workers)
    for path, measured in progress(found, "measuring", len(paths)):
        yield _RawFile(path, measured or MeasuredFile(None, "the process that decoded it died"))


def _record(store: RecordStore, digest: str) -> ImageRecord:
    record = store.read(digest)
    if record is None:
        raise DataError(f"{store.folder}: the record {digest} is gone; run it again")
    return record


def _decisions(
    records: dict[str, ImageRecord], store: RecordStore, settings: CurationSettings, progress: ProgressBar
) -> dict[str, Decision]:
    limits = settings.thresholds.limits
    copies = first_copies(records.values())
    decisions = {
        digest: Decision(Reason.EXACT_DUPLICATE, of=copies[digest])
        if digest in copies
        else decide_by_measures(record, limits)
        for digest, record in records.items()
    }
    mosaics = sorted(digest for digest, decision in decisions.items() if shows_mosaic(decision))
    centre = mean_descriptor([store.features(digest).descriptors for digest in mosaics[:_SAMPLE]])
    hashes = [
        hash_features(store.features(digest).descriptors, centre)
        for digest in progress(mosaics, "looking for duplicates", len(mosaics))
    ]
    pairs = [
        (mosaics[one], mosaics[other])
        for one, other in candidate_pairs(hashes)
        if decisions[mosaics[one]].kept or decisions[mosaics[other]].kept
    ]
    compared = _compared(pairs, store, settings, progress)
    alike = [(pair.one, pair.other) for pair in compared if same_cells(pair.match, limits)]
    # Hashes find most pairs of a group of copies; the rest of its pairs follow from those.
    compared += _compared(missing_within_groups(pairs, alike), store, settings, progress)
    return decide_duplicates(records, decisions, compared, limits)


def _compared(
    pairs: list[tuple[str, str]], store: RecordStore, settings: CurationSettings, progress: ProgressBar
) -> list[ComparedPair]:
    matches = run_each(partial(match_stored, store=store), pairs, settings.workers)
    return [
        ComparedPair(pair[0], pair[1], match)
        for pair, match in progress(matches, "comparing pairs", len(pairs))
        if match is not None
    ]


def _write_images(
    raw: Path,
    out: Path,
    files: Sequence[_RawFile],
    records: dict[str, ImageRecord],
    decisions: dict[str, Decision],
    settings: CurationSettings,
    progress: ProgressBar,
) -> dict[str, str]:
    """Write the kept images; return why an image could not be written, for those that could not."""
    source = {file.measured.digest: file.path for file in files}
    kept = sorted(digest for digest, decision in decisions.items() if decision.kept)
    folders = group_folders({digest: source[digest].relative_to(raw) for digest in kept}, settings.together)
    images = [
        ImageToWrite(
            source=source[digest],
            digest=digest,
            box=_box(records[digest], settings.thresholds.limits.field_side_min),
            flat=settings.flat,
            destination=out / IMAGES / folders[digest] / f"{digest}.png",
        )
        for digest in kept
    ]
    failed = {}
    for image, why in progress(run_each(write_image, images, settings.workers), "writing", len(images)):
        if why is not None:
            failed[image.digest] = why
    _remove_others(out / IMAGES, {image.destination for image in images if image.digest not in failed})
    return failed


def _remove_others(folder: Path, wanted: set[Path]) -> None:
    """Remove the images of an earlier run, and the folders of groups that it leaves empty."""
    for path in sorted(folder.rglob("*.png")):
        if _OUTPUT.fullmatch(path.name) and path not in wanted:
            path.unlink()
            if path.parent != folder and not any(path.parent.iterdir()):
                path.parent.rmdir()


def _box(record: ImageRecord, side_min: int) -> Box:
    """Return the part of an image to write: its field, or all of it if a person keeps one without."""
    if record.box is None or record.width is None or record.height is None:
        raise ValueError(f"{record.digest}: an unreadable file cannot be kept")
    usable = min(record.box.width, record.box.height) >= side_min
    return record.box if usable else Box(0, 0, record.width, record.height)


def _entries(
    files: Sequence[_RawFile], records: dict[str, ImageRecord], decisions: dict[str, Decision]
) -> Iterator[FileDecision]:
    """Yield the decision on every file; of files with the same bytes, all but the first are duplicates."""
    seen: set[str] = set()
    for number, file in enumerate(files, start=1):
        digest = file.measured.digest
        if digest is None:
            yield FileDecision.unreadable(number, None, file.measured.unreadable or "")
        elif records[digest].unreadable is not None:
            yield FileDecision.unreadable(number, digest, records[digest].unreadable or "")
        elif digest in seen:
            copy = Decision(Reason.EXACT_DUPLICATE, of=digest)
            yield FileDecision.decided(number, digest, copy, records[digest])
        else:
            seen.add(digest)
            yield FileDecision.decided(number, digest, decisions[digest], records[digest])
