"""A whole curation: find, measure, decide, compare, write. Stopped anywhere, the next run goes on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

from endotwin.files import whole_file
from training.curation import decisions
from training.curation.decisions import Edge, Fate
from training.curation.duplicates import candidates, hash_features, mean_descriptor, missing_within_groups
from training.curation.errors import CurationError
from training.curation.field import Box
from training.curation.finding import find_files
from training.curation.measuring import Export, Outcome, compare_stored, export, measure_file
from training.curation.overrides import TEMPLATE, Overrides, read_overrides
from training.curation.records import Record, Store
from training.curation.summary import FileFate, Summary, write_originals, write_summary
from training.curation.thresholds import Thresholds
from training.curation.workers import run_each

IMAGES = "images"
WORK = "work.private"
OVERRIDES = "overrides.txt"

_SAMPLE = 500
"""Images that the centre of all hashes is taken from."""

_OUTPUT = re.compile(r"[0-9a-f]{16}\.png")

_Step = TypeVar("_Step")


class Progress(Protocol):
    """Passes on what it is given, and shows how far that is."""

    def __call__(self, steps: Iterable[_Step], what: str, total: int) -> Iterable[_Step]:
        """Pass on the steps of what is done; there will be `total`."""


@dataclass(frozen=True)
class Settings:
    """How a folder is curated.

    Attributes:
        thresholds: what is dropped, and how the field is cut.
        flat: flatten the illumination of the images that are written.
        workers: processes.
        overrides: the file with a person's last word; None: `overrides.txt` in the output folder.
    """

    thresholds: Thresholds
    flat: bool
    workers: int
    overrides: Path | None = None


@dataclass(frozen=True)
class Curation:
    """What a curation came to.

    Attributes:
        summary: as in `curation.json`.
        records: for each digest, what was measured.
        fates: for each digest, what became of it.
        unknown: digests in the overrides file that no image has.
        store: where thumbnails are.
    """

    summary: Summary
    records: dict[str, Record]
    fates: dict[str, Fate]
    unknown: list[str]
    store: Store


@dataclass(frozen=True)
class _File:
    """A file or folder below the raw folder, and the digest of its contents or why there is none."""

    path: Path
    outcome: Outcome


def curate(raw: Path, out: Path, settings: Settings, progress: Progress) -> Curation:
    """Sort the images below a folder into kept and dropped, and write the kept ones and `curation.json`.

    Args:
        raw: nothing in it is changed.
        out: where everything is written; kept images of an earlier run that are not kept now are removed.
        settings: see there.
        progress: wraps what takes long.

    Raises:
        CurationError: one folder lies in the other, there are no files, or the overrides cannot be read.
    """
    _check_folders(raw, out)
    overrides = _overrides(out, settings.overrides)
    store = Store.of(out / WORK, settings.thresholds.cutting)
    files = list(_measured(raw, store, settings, progress))
    records = {digest: _record(store, digest) for digest in {f.outcome.digest for f in files} if digest}
    fates = _decided(records, store, settings, progress)
    fates = decisions.apply_overrides(fates, overrides)
    failed = _write_images(out, files, records, fates, settings, progress)
    for digest, why in failed.items():
        fates[digest] = Fate(decisions.Reason.UNREADABLE)
        records[digest] = Record(digest=digest, unreadable=why)
    numbered = sorted(files, key=lambda file: (file.outcome.digest or "~", str(file.path)))
    entries = list(_entries(numbered, records, fates))
    summary = Summary.of(entries, settings.thresholds, flat=settings.flat)
    write_summary(summary, out)
    write_originals([(f.path.relative_to(raw), f.outcome.digest) for f in numbered], out)
    unknown = overrides.unknown(frozenset(records))
    return Curation(summary, records, fates, unknown, store)


def _check_folders(raw: Path, out: Path) -> None:
    if not raw.is_dir():
        raise CurationError(f"{raw}: no such folder")
    source, target = raw.resolve(), out.resolve()
    if source == target or source in target.parents or target in source.parents:
        raise CurationError(
            f"{out}: may not lie in {raw}, nor the other way round; originals stay untouched"
        )


def _overrides(out: Path, path: Path | None) -> Overrides:
    default = out / OVERRIDES
    if path is None and not default.exists():
        with whole_file(default) as file:
            file.write(TEMPLATE.encode())
    return read_overrides(path or default)


def _measured(raw: Path, store: Store, settings: Settings, progress: Progress) -> Iterator[_File]:
    paths, skipped = find_files(raw)
    if not paths:
        raise CurationError(f"{raw}: no files in it")
    for folder in skipped:
        yield _File(folder.path, Outcome(None, folder.reason))
    work = partial(measure_file, store=store, cutting=settings.thresholds.cutting)
    outcomes = run_each(work, paths, settings.workers)
    for path, outcome in progress(outcomes, "measuring", len(paths)):
        yield _File(path, outcome or Outcome(None, "the process that decoded it died"))


def _record(store: Store, digest: str) -> Record:
    record = store.read(digest)
    if record is None:
        raise CurationError(f"{store.folder}: the record {digest} is gone; run it again")
    return record


def _decided(
    records: dict[str, Record], store: Store, settings: Settings, progress: Progress
) -> dict[str, Fate]:
    limits = settings.thresholds.limits
    copies = decisions.first_copies(records.values())
    fates = {
        digest: Fate(decisions.Reason.EXACT_DUPLICATE, of=copies[digest])
        if digest in copies
        else decisions.decide_alone(record, limits)
        for digest, record in records.items()
    }
    mosaics = sorted(digest for digest, fate in fates.items() if decisions.may_be_compared(fate))
    centre = mean_descriptor([store.features(digest).descriptors for digest in mosaics[:_SAMPLE]])
    hashes = [
        hash_features(store.features(digest).descriptors, centre)
        for digest in progress(mosaics, "looking for duplicates", len(mosaics))
    ]
    pairs = [
        (mosaics[one], mosaics[other])
        for one, other in candidates(hashes)
        if fates[mosaics[one]].kept or fates[mosaics[other]].kept
    ]
    edges = _compared(pairs, store, settings, progress)
    alike = [(edge.one, edge.other) for edge in edges if decisions.same_cells(edge.match, limits)]
    # Hashes find most pairs of a group of copies; the rest of its pairs follow from those.
    edges += _compared(missing_within_groups(pairs, alike), store, settings, progress)
    return decisions.decide_duplicates(records, fates, edges, limits)


def _compared(
    pairs: list[tuple[str, str]], store: Store, settings: Settings, progress: Progress
) -> list[Edge]:
    matches = run_each(partial(compare_stored, store=store), pairs, settings.workers)
    return [
        Edge(pair[0], pair[1], match)
        for pair, match in progress(matches, "comparing pairs", len(pairs))
        if match is not None
    ]


def _write_images(
    out: Path,
    files: Sequence[_File],
    records: dict[str, Record],
    fates: dict[str, Fate],
    settings: Settings,
    progress: Progress,
) -> dict[str, str]:
    """Write the kept images; return why an image could not be written, for those that could not."""
    source = {file.outcome.digest: file.path for file in files}
    kept = sorted(digest for digest, fate in fates.items() if fate.kept)
    orders = [
        Export(
            source=source[digest],
            digest=digest,
            box=_box(records[digest], settings.thresholds.limits.field_side_min),
            flat=settings.flat,
            destination=out / IMAGES / f"{digest}.png",
        )
        for digest in kept
    ]
    failed = {}
    for order, why in progress(run_each(export, orders, settings.workers), "writing", len(orders)):
        if why is not None:
            failed[order.digest] = why
    names = {f"{digest}.png" for digest in kept if digest not in failed}
    if (out / IMAGES).is_dir():
        for path in (out / IMAGES).iterdir():
            if _OUTPUT.fullmatch(path.name) and path.name not in names:
                path.unlink()
    return failed


def _box(record: Record, side_min: int) -> Box:
    """Return what is written of an image: its field, or all of it where a person keeps one without."""
    if record.box is None or record.width is None or record.height is None:
        raise ValueError(f"{record.digest}: an unreadable file cannot be kept")
    usable = min(record.box.width, record.box.height) >= side_min
    return record.box if usable else Box(0, 0, record.width, record.height)


def _entries(
    files: Sequence[_File], records: dict[str, Record], fates: dict[str, Fate]
) -> Iterator[FileFate]:
    """Yield the fate of every file, in order; of files with the same bytes the first stands for all."""
    seen: set[str] = set()
    for number, file in enumerate(files, start=1):
        digest = file.outcome.digest
        if digest is None:
            yield FileFate.unreadable(number, None, file.outcome.unreadable or "")
        elif records[digest].unreadable is not None:
            yield FileFate.unreadable(number, digest, records[digest].unreadable or "")
        elif digest in seen:
            copy = Fate(decisions.Reason.EXACT_DUPLICATE, of=digest)
            yield FileFate.decided(number, digest, copy, records[digest])
        else:
            seen.add(digest)
            yield FileFate.decided(number, digest, fates[digest], records[digest])
