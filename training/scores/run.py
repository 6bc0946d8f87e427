"""`endotwin-training evaluate`: from a checkpoint and its images to the report, the JSON and the card."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path

from endotwin.files import whole_file
from endotwin.generator.card import Card
from endotwin.generator.checkpoint import Checkpoint, file_sha256, load_checkpoint, save_checkpoint
from endotwin.generator.device import describe_device
from endotwin.generator.sampler import Sampler
from endotwin.image_range import BATCH, ImageRange
from endotwin.mosaic.labels import Label
from endotwin.samples.grid import draw_grid
from training.data.sources import Sources, chosen_sources
from training.learning.trainer import GRID_SEED
from training.scores.border_displacement import measure_labels
from training.scores.cells.comparison import compare_cells
from training.scores.cells.error import read_experts
from training.scores.cells.figures import plot_areas, plot_groups
from training.scores.cells.record import CellComparison
from training.scores.comparisons import SetComparison, compare_sets
from training.scores.evaluation import (
    fid_record,
    load_sources,
    measure_statistics,
    require_recordable,
)
from training.scores.evidence import Evidence, evidence_record, versions
from training.scores.feature_scores import NEIGHBOURHOOD_MINIMUM
from training.scores.figures import draw_label_sheet, figure_png, image_png, spectra_figure
from training.scores.image_sets import ImageSets, progress_bar
from training.scores.memorisation.figures import draw_nearest, draw_pairs, plot_similarities
from training.scores.memorisation.measurement import (
    NoControlError,
    comparison_count,
    measure_memorisation,
)
from training.scores.memorisation.record import Memorisation
from training.scores.report import CellPictures, CopyPictures, Pictures, write_evaluation_report
from training.scores.request import RECORD_MINIMUM, EvaluationError, EvaluationRequest
from training.scores.run_history import HistoryPictures, RunHistory, read_history

JSON = "evaluation.json"

_SHOWN_IMAGES = 40
_COLUMNS = 10
_STAGE_IMAGES = 20
_LABELLED_IMAGES = 64
"""Generated images with labels on which the error of the cells' method is measured."""


@dataclass(frozen=True)
class EvaluationResult:
    """What was found, and where it is written."""

    evidence: Evidence
    report: Path
    json: Path


def run_evaluation(request: EvaluationRequest) -> EvaluationResult:
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
    if request.count < NEIGHBOURHOOD_MINIMUM:
        raise EvaluationError(
            f"a quick look needs at least {NEIGHBOURHOOD_MINIMUM} images on either side, "
            f"got {request.count}"
        )
    checkpoint = load_checkpoint(request.checkpoint, require_fid=False)
    card = checkpoint.card
    sources, where = chosen_sources(card, data=request.data, file=request.sources)
    dataset = load_sources(card, sources, where)
    history, history_pictures = (None, None) if request.run is None else read_history(request.run, card)
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
    comparisons = compare_sets(sets, quiet=request.quiet)
    memorisation, copy_pictures = _search_copies(request, sets)
    morphometry, cell_pictures = _compare_cells(request, sets, sources)
    evidence = _evidence(
        request,
        checkpoint,
        sets,
        comparisons,
        history=history,
        memorisation=memorisation,
        morphometry=morphometry,
    )
    pictures = _pictures(
        request, sets, evidence, course=history_pictures, copies=copy_pictures, cells=cell_pictures
    )
    if request.record:
        evidence = evidence.model_copy(update={"recorded_sha256": _record(checkpoint, evidence)})
    json = request.output / JSON
    with whole_file(json) as file:
        file.write((evidence.model_dump_json(indent=1) + "\n").encode())
    return EvaluationResult(
        evidence, write_evaluation_report(evidence, card, pictures, request.output), json
    )


def _seed(asked: int | None, card: Card) -> int:
    if asked is not None:
        return asked
    return card.fid.seed if card.fid is not None else 0


def _search_copies(
    request: EvaluationRequest, sets: ImageSets
) -> tuple[Memorisation, CopyPictures] | tuple[None, None]:
    """Search the nearest real crops of the first generated images; nothing without a held-out image."""
    if request.memorisation_count == 0:
        return None, None
    images = sets.images("generated", limit=request.memorisation_count)
    total = comparison_count(len(images), sets.dataset)
    with progress_bar("nearest crops", total, quiet=request.quiet) as bar:
        try:
            found = measure_memorisation(images, sets.dataset, seed=sets.seed, progress=bar.update)
        except NoControlError:
            return None, None
    pairs = draw_pairs(images, sets.dataset, found) if request.show_real else None
    return found, CopyPictures(plot_similarities(found), draw_nearest(images, found), pairs)


def _compare_cells(
    request: EvaluationRequest, sets: ImageSets, sources: Sources
) -> tuple[CellComparison, CellPictures] | tuple[None, None]:
    """Compare the cells of the first generated images with those of as many real ones."""
    if request.morphometry_count == 0:
        return None, None
    images = sets.images("generated", limit=request.morphometry_count)
    with progress_bar("cells", 4 * len(images), quiet=request.quiet) as bar:
        found = compare_cells(
            images,
            sets.dataset,
            seed=sets.seed,
            experts=read_experts(sources),
            labels=_labels(sets, min(_LABELLED_IMAGES, len(images))),
            progress=bar.update,
        )
    return found, CellPictures(plot_areas(found), plot_groups(found))


def _labels(sets: ImageSets, count: int) -> list[Label]:
    """Return the labels of the first generated images; none for a generator without labels."""
    if not sets.sampler.has_labels:
        return []
    batches = sets.sampler.batches(ImageRange(sets.seed, 0, count))
    return [label for batch in batches for label in batch.labels()]


def _evidence(
    request: EvaluationRequest,
    checkpoint: Checkpoint,
    sets: ImageSets,
    comparisons: tuple[SetComparison, ...],
    *,
    history: RunHistory | None,
    memorisation: Memorisation | None,
    morphometry: CellComparison | None,
) -> Evidence:
    measured = fid_record(sets, {found.name: found.draws[0].fid for found in comparisons})
    recorded = checkpoint.card.fid
    return Evidence(
        command=request.command(sets.seed),
        created=datetime.datetime.now(datetime.UTC).date().isoformat(),
        name=checkpoint.card.name,
        checkpoint_sha256=file_sha256(checkpoint.path),
        generator_sha256=checkpoint.generator_sha256,
        recorded_sha256=None,
        image_list_sha256=sets.dataset.digest,
        recordable=request.count >= RECORD_MINIMUM,
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
        course=history,
        memorisation=memorisation,
        morphometry=morphometry,
    )


def _pictures(
    request: EvaluationRequest,
    sets: ImageSets,
    evidence: Evidence,
    *,
    course: HistoryPictures | None,
    copies: CopyPictures | None,
    cells: CellPictures | None,
) -> Pictures:
    labelled = None
    if evidence.labels is not None:
        batch = sets.sampler.batch(ImageRange(sets.seed, 0, BATCH))
        labelled = image_png(draw_label_sheet(batch.images, batch.labels()))
    real = None
    if request.show_real:
        real = image_png(draw_grid(sets.images("training", limit=_SHOWN_IMAGES), _COLUMNS))
    return Pictures(
        generated=_grid(sets.sampler, sets.seed, _SHOWN_IMAGES),
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
