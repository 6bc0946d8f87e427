"""`endotwin-training evaluate`: from a checkpoint and its images to the report, the JSON and the card."""

from __future__ import annotations

import datetime
import os
import shlex
from dataclasses import dataclass
from pathlib import Path

from endotwin.files import whole_file
from endotwin.generator.card import Card
from endotwin.generator.checkpoint import Checkpoint, file_sha256, load_checkpoint, save_checkpoint
from endotwin.generator.sampler import Sampler
from endotwin.image_range import BATCH, ImageRange
from endotwin.samples.grid import draw_grid
from training.data.sources import chosen_sources
from training.learning.trainer import GRID_SEED
from training.scores.comparisons import Comparison, compare
from training.scores.copies_and_cells import measure_cells, search_copies
from training.scores.evaluation import (
    COUNT,
    MINIMUM_COUNT,
    EvaluationError,
    describe_device,
    fid_record,
    load_sources,
    measure_statistics,
    require_recordable,
)
from training.scores.feature_scores import MINIMUM_COUNT as MINIMUM_LOOK
from training.scores.fid import DEFAULT_CACHE
from training.scores.figures import figure_png, image_png, spectra_figure
from training.scores.image_sets import ImageSets
from training.scores.label_sheet import draw_label_sheet
from training.scores.label_statistics import measure_labels
from training.scores.memorisation_record import Memorisation
from training.scores.morphometry_record import Morphometry
from training.scores.report import CellPictures, CopyPictures, Pictures, write_evaluation_report
from training.scores.results import Evidence, evidence_record
from training.scores.run_history import Course, CoursePictures, read_course
from training.scores.versions import versions

JSON = "evaluation.json"

GRID_IMAGES = 40
FINDINGS_COUNT = 1_000
"""Generated images whose nearest real crops are searched, and whose cells are measured."""

_COLUMNS = 10
_STAGE_IMAGES = 20


@dataclass(frozen=True)
class Request:
    """What is asked of an evaluation.

    Attributes:
        checkpoint: a checkpoint, with or without a recorded FID.
        data: the folder that holds the sources its card names, see `sources_of_card`; or
        sources: the file that lists them, see `read_sources`. One of the two is given.
        run: the run folder it comes from, for the course of training; None shows none.
        output: folder of the report and of `evaluation.json`.
        count: images on either side of every score; below 2,048 it is a quick look, which is marked as one.
        seed: None for the one the card's score was made with, else 0.
        device: torch device for the generator and for Inception.
        inception: file of the Inception weights, see `load_inception`.
        cache: folder for features, or None for no cache.
        memorisation_count: generated images whose nearest real crops are searched; 0 leaves it out.
        morphometry_count: generated images whose cells are measured; 0 leaves it out.
        record: write the essential values into the checkpoint's card.
        show_real: show real images in the report, which is then `report.private.html`.
        quiet: no progress bars.
    """

    checkpoint: Path
    output: Path
    data: Path | None = None
    sources: Path | None = None
    run: Path | None = None
    count: int = COUNT
    seed: int | None = None
    device: str = "cpu"
    inception: Path | None = None
    cache: Path | None = DEFAULT_CACHE
    memorisation_count: int = FINDINGS_COUNT
    morphometry_count: int = FINDINGS_COUNT
    record: bool = False
    show_real: bool = False
    quiet: bool = False


@dataclass(frozen=True)
class Evaluated:
    """What was found, and where it is written."""

    evidence: Evidence
    report: Path
    json: Path


def run_evaluation(request: Request) -> Evaluated:
    """Score a checkpoint against the images it was trained on, beside all controls; write it down.

    Raises:
        CheckpointError: the file cannot be used as a checkpoint.
        DataError: a source is missing, or its images cannot be read.
        EvaluationError: the count is too small, or the images are not those the checkpoint was trained on.
        InceptionError: the Inception weights are missing or not the known ones.
        RunError: the run folder is none, or that of another checkpoint.
    """
    if request.record:
        require_recordable(request.count)
    if request.count < MINIMUM_LOOK:
        raise EvaluationError(
            f"a quick look needs at least {MINIMUM_LOOK} images on either side, got {request.count}"
        )
    checkpoint = load_checkpoint(request.checkpoint, require_fid=False)
    card = checkpoint.card
    sources, where = chosen_sources(card, data=request.data, file=request.sources)
    dataset = load_sources(card, sources, where)
    course = None if request.run is None else read_course(request.run, card)
    sets = ImageSets(
        checkpoint,
        dataset,
        count=request.count,
        seed=_seed(request.seed, card),
        device=request.device,
        inception=request.inception,
        cache=request.cache,
        quiet=request.quiet,
    )
    comparisons = compare(sets, quiet=request.quiet)
    copies = cells = None
    if request.memorisation_count:
        copies = search_copies(
            sets, request.memorisation_count, show_real=request.show_real, quiet=request.quiet
        )
    if request.morphometry_count:
        cells = measure_cells(sets, sources, request.morphometry_count, quiet=request.quiet)
    evidence = _evidence(
        request,
        checkpoint,
        sets,
        comparisons,
        course=None if course is None else course[0],
        memorisation=None if copies is None else copies[0],
        morphometry=None if cells is None else cells[0],
    )
    pictures = _pictures(
        request,
        checkpoint,
        sets,
        evidence,
        course=None if course is None else course[1],
        copies=None if copies is None else copies[1],
        cells=None if cells is None else cells[1],
    )
    if request.record:
        evidence = evidence.model_copy(update={"recorded_sha256": _record(checkpoint, evidence)})
    json = request.output / JSON
    with whole_file(json) as file:
        file.write((evidence.model_dump_json(indent=1) + "\n").encode())
    return Evaluated(evidence, write_evaluation_report(evidence, card, pictures, request.output), json)


def _seed(asked: int | None, card: Card) -> int:
    if asked is not None:
        return asked
    return card.fid.seed if card.fid is not None else 0


def _evidence(
    request: Request,
    checkpoint: Checkpoint,
    sets: ImageSets,
    comparisons: tuple[Comparison, ...],
    *,
    course: Course | None,
    memorisation: Memorisation | None,
    morphometry: Morphometry | None,
) -> Evidence:
    measured = fid_record(sets, {found.name: found.draws[0].fid for found in comparisons})
    recorded = checkpoint.card.fid
    return Evidence(
        command=command_line(request, sets.seed),
        created=datetime.datetime.now(datetime.UTC).date().isoformat(),
        name=checkpoint.card.name,
        checkpoint_sha256=file_sha256(checkpoint.path),
        recorded_sha256=None,
        image_list_sha256=sets.dataset.digest,
        recordable=request.count >= MINIMUM_COUNT,
        device=describe_device(request.device),
        versions=versions(),
        count=sets.count,
        seed=sets.seed,
        difference=None if recorded is None else measured.difference_from(recorded),
        measured=measured,
        recorded=recorded,
        comparisons=comparisons,
        statistics=measure_statistics(sets),
        labels=measure_labels(checkpoint, seed=sets.seed, device=request.device),
        course=course,
        memorisation=memorisation,
        morphometry=morphometry,
    )


def _pictures(
    request: Request,
    checkpoint: Checkpoint,
    sets: ImageSets,
    evidence: Evidence,
    *,
    course: CoursePictures | None,
    copies: CopyPictures | None,
    cells: CellPictures | None,
) -> Pictures:
    labelled = None
    if evidence.labels is not None:
        batch = sets.sampler.batch(ImageRange(sets.seed, 0, BATCH))
        labelled = image_png(draw_label_sheet(batch.images, batch.labels()))
    real = None
    if request.show_real:
        real = image_png(draw_grid(sets.images("training", limit=GRID_IMAGES), _COLUMNS))
    return Pictures(
        generated=_grid(sets.sampler, sets.seed, GRID_IMAGES),
        stage=_grid(sets.sampler, GRID_SEED, _STAGE_IMAGES),  # what the grids of a run show
        spectra=figure_png(spectra_figure(evidence.statistics)),
        labelled=labelled,
        course=course,
        copies=copies,
        cells=cells,
        real=real,
    )


def _grid(sampler: Sampler, seed: int, count: int) -> bytes:
    return image_png(draw_grid(sampler.images(seed, count), _COLUMNS))


def _record(checkpoint: Checkpoint, evidence: Evidence) -> str:
    """Write the checkpoint again with this evidence in its card; return the file's new sha256.

    Weights stay as they are. So does a recorded FID: the first draw here is the same measurement.
    """
    card = checkpoint.card.model_copy(
        update={
            "fid": checkpoint.card.fid or evidence.measured,
            "statistics": checkpoint.card.statistics or evidence.statistics,
            "labels": checkpoint.card.labels or evidence.labels,
            "evidence": evidence_record(evidence),
        }
    )
    save_checkpoint(checkpoint.path, checkpoint.generator, card)
    return file_sha256(checkpoint.path)


def command_line(request: Request, seed: int) -> str:
    """Return the command that measures the same again, with paths relative to the working folder."""
    words = ["endotwin-training", "evaluate", _relative(request.checkpoint)]
    for option, path in (
        ("--data", request.data),
        ("--sources", request.sources),
        ("--run", request.run),
        ("--inception", request.inception),
    ):
        if path is not None:
            words += [option, _relative(path)]
    words += ["--count", str(request.count), "--seed", str(seed), "--device", request.device]
    words += ["--memorisation-count", str(request.memorisation_count)]
    words += ["--morphometry-count", str(request.morphometry_count)]
    if request.show_real:
        words.append("--show-real")
    return shlex.join(words)


def _relative(path: Path) -> str:
    return os.path.relpath(path)
