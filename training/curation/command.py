"""`endotwin-training curate`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from endotwin.image_reading import DataError

if TYPE_CHECKING:
    from training.curation.summary import CurationSummary
    from training.curation.thresholds import Thresholds

EPILOG = (
    "Examples:  endotwin-training curate raw/ curated/  |  endotwin-training curate --explain raw/scan.png"
)


def curate_command(
    raw: Annotated[Path | None, typer.Argument(help="Folder of raw images; only read.")] = None,
    out: Annotated[Path | None, typer.Argument(help="Folder for the kept images and the report.")] = None,
    thresholds: Annotated[
        Path | None, typer.Option(help="TOML file of thresholds; what it leaves out keeps its default.")
    ] = None,
    overrides: Annotated[
        Path | None, typer.Option(help="File of keep: and drop: lines; default: OUT/overrides.txt.")
    ] = None,
    explain: Annotated[
        Path | None,
        typer.Option(help="Only print every value of this image beside its threshold; no RAW, no OUT."),
    ] = None,
    flatten: Annotated[
        bool, typer.Option("--flatten", help="Take the slow drift of illumination out of kept images.")
    ] = False,
    together: Annotated[
        str | None,
        typer.Option(
            "--keep-together",
            help="What images of one patient have in common: folder, or so many consecutive numbers in "
            "file names. Each group gets a folder; see keep_folders_together in docs/training.md.",
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes; default: one for each core.")
    ] = None,
) -> None:
    """Turn a folder of raw images into a clean training set, with a report (docs/curation.md).

    Drops what is unreadable, duplicated, empty, no cell mosaic, blurry, saturated or too dark; cuts text,
    graphs, frames and panels off; writes grey PNGs named by digest. The same command resumes a stopped one.
    The exit status is 1 if no image is kept.
    """
    from training.curation.groups import Together
    from training.curation.report import write_curation_report
    from training.curation.run import CurationSettings, curate
    from training.curation.thresholds import read_thresholds
    from training.curation.worker_pool import available_cores
    from training.progress import shown_steps

    numbers = read_thresholds(thresholds)
    if explain is not None:
        if raw is not None:
            raise typer.BadParameter("--explain IMAGE takes neither RAW nor OUT")
        typer.echo(_explanation(explain, numbers))
        return
    if raw is None or out is None:
        raise typer.BadParameter("give RAW and OUT, two folders (or --explain IMAGE)")
    groups = None if together is None else Together.parse(together)
    settings = CurationSettings(numbers, flatten, workers or available_cores(), overrides, groups)
    curation = curate(raw, out, settings, shown_steps)
    report = write_curation_report(curation, out)
    _print_counts(curation.summary.counts)
    for digest in curation.unknown:
        typer.echo(f"The overrides file names {digest}, which no image here has", err=True)
    typer.echo(f"Look at {report}: it stays in the clinic, as every file with private in its name")
    if not curation.summary.counts["kept"]:
        typer.echo(_why_nothing_is_kept(curation.summary), err=True)
        raise typer.Exit(1)


def _print_counts(counts: Mapping[str, int]) -> None:
    from training.curation.decisions import Reason

    typer.echo(f"{counts['found']} files found")
    for reason in Reason:
        if counts[reason]:
            typer.echo(f"{-counts[reason]:>8}  {reason}")
    by_hand = f", {counts['kept by hand']} of them by hand" if counts["kept by hand"] else ""
    typer.echo(f"{counts['kept']:>8}  kept{by_hand}")


def _why_nothing_is_kept(summary: CurationSummary) -> str:
    """Return the most frequent reason, and the measure and threshold behind most of its files."""
    reasons = Counter(file.reason for file in summary.files)
    [(reason, count)] = reasons.most_common(1)
    limits = Counter(
        (file.measure, file.limit) for file in summary.files if file.reason is reason and file.limit
    )
    text = f"No image is kept: {count} of {len(summary.files)} files were dropped as {reason}"
    for (measure, limit), _ in limits.most_common(1):
        bound = getattr(summary.thresholds.limits, str(limit))
        text += f", most by their {measure} (threshold {limit} = {bound:g}; --thresholds changes it)"
    return text


def _explanation(path: Path, thresholds: Thresholds) -> str:
    """Return every value of one image beside its threshold, as a table."""
    from endotwin.image_reading import UnreadableError
    from training.curation.decisions import checks, decide_by_measures
    from training.curation.image_files import decode, read_bytes
    from training.curation.record_store import digest_of
    from training.curation.worker_tasks import measure_image

    try:
        data = read_bytes(path)
        image = decode(data)
    except UnreadableError as error:
        raise DataError(f"{path}: unreadable: {error}") from error
    record, _ = measure_image(digest_of(data), image, thresholds.cutting)
    lines = [f"digest {record.digest}, {record.width} × {record.height} pixels"]
    for check in checks(record, thresholds.limits):
        value = "not measured" if check.value is None else f"{check.value:.4g}"
        lines.append(
            f"{check.reason:<12}{check.name:<28}{value:>13}   {check.threshold} = {check.limit:g}"
            f"{'' if check.passed else '   <- fails'}"
        )
    found = ", ".join(f"{kind} {share:.1%}" for kind, share in record.found.items()) or "nothing to cut"
    box = record.box
    if box is not None:
        found += f"; field from ({box.left}, {box.top}) to ({box.right}, {box.bottom})"
    decision = decide_by_measures(record, thresholds.limits)
    verdict = "kept, unless it is a duplicate" if decision.kept else f"dropped: {decision.reason}"
    return "\n".join([*lines, f"cutting: {found}", verdict])
