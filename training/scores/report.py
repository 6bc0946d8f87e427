"""`report.html`: everything an evaluation found, in one file that needs no other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from endotwin.generator.card import Card
from training.html_page import write_page
from training.scores.evidence import Evidence, scores_protocol
from training.scores.report_tables import (
    cell_table,
    difference_sentence,
    distance_table,
    feature_table,
    fid_table,
    method_error_table,
    similarity_table,
)
from training.scores.run_history import HistoryPictures, Stage

EVALUATION_REPORT = "report.html"
PRIVATE_REPORT = "report.private.html"
"""Name of a report that shows real images, as of every file that must not leave the clinic."""


@dataclass(frozen=True)
class CopyPictures:
    """PNGs of the search for copies.

    Attributes:
        similarities: their distributions.
        nearest: the generated images that are nearest to a training crop.
        pairs: the same images beside their crops, which are real; None where those must not be shown.
    """

    similarities: bytes
    nearest: bytes
    pairs: bytes | None


@dataclass(frozen=True)
class CellPictures:
    """PNGs of the morphometry.

    Attributes:
        areas: distributions of the cells' areas and numbers of neighbours.
        groups: density, CV and share of hexagons of the groups of crops.
    """

    areas: bytes
    groups: bytes


@dataclass(frozen=True)
class Pictures:
    """PNGs of a report.

    Attributes:
        generated: the first images of the seed.
        stage: the first rows of what a run's grids show, of the checkpoint itself.
        spectra: power spectra.
        labelled: images with their labels; None for a generator without labels.
        course: of the run folder; None where none was given.
        copies: of the nearest crops; None where they were not searched.
        cells: None where they were not measured.
        real: real crops; None where they must not be shown.
    """

    generated: bytes
    stage: bytes
    spectra: bytes
    labelled: bytes | None
    course: HistoryPictures | None
    copies: CopyPictures | None
    cells: CellPictures | None
    real: bytes | None


def write_evaluation_report(evidence: Evidence, card: Card, pictures: Pictures, output: Path) -> Path:
    """Write the report into a folder and return its path."""
    path = output / (EVALUATION_REPORT if pictures.real is None else PRIVATE_REPORT)
    memorisation, cells, stages = None, None, None
    if evidence.memorisation is not None and pictures.copies is not None:
        nearest = (f"{pair.index} ({pair.similarity:.2f})" for pair in evidence.memorisation.nearest)
        memorisation = {
            "similarities": similarity_table(evidence.memorisation),
            "nearest": ", ".join(nearest),
        }
    if evidence.morphometry is not None and pictures.cells is not None:
        cells = {
            "parameters": cell_table(evidence.morphometry),
            "distances": distance_table(evidence.morphometry),
            "errors": method_error_table(evidence.morphometry),
        }
    if evidence.course is not None and pictures.course is not None:
        shown = zip(pictures.course.stages, evidence.course.shown, strict=True)
        stages = [(sheet, _stage_caption(stage)) for sheet, stage in shown]
    write_page(
        path,
        "evaluation.html",
        title=f"Evaluation of {evidence.name}",
        evidence=evidence,
        card=card,
        pictures=pictures,
        details=_details(evidence, card),
        fid=fid_table(evidence),
        difference=difference_sentence(evidence),
        features=feature_table(evidence),
        memorisation=memorisation,
        cells=cells,
        stages=stages,
        last_stage=_last_stage_caption(evidence, card),
        held_out=sum(source.held_out for source in card.data.sources),
    )
    return path


def _details(evidence: Evidence, card: Card) -> dict[str, str]:
    """Return what was measured, on what and how, by name."""
    sources = (f"{s.name} {s.images} + {s.held_out} held out" for s in card.data.sources)
    details = {"Checkpoint": f"sha256 {evidence.checkpoint_sha256}"}
    if evidence.recorded_sha256 is not None:
        details["With this evidence"] = f"sha256 {evidence.recorded_sha256}"
    if evidence.generator_sha256 is not None:
        details["Generator"] = f"sha256 {evidence.generator_sha256}"
    return details | {
        "Training images": f"{', '.join(sources)}; digest {evidence.image_list_sha256}",
        "Trained": f"recipe {card.training.recipe}, {card.training.images_seen:,} images seen, "
        f"{card.training.epochs:,.0f} epochs",
        "Measured": f"{evidence.created}, on {evidence.device}, in float32",
        "Versions": ", ".join(f"{name} {found}" for name, found in evidence.versions.items()),
        "Inception": f"sha256 {evidence.measured.inception_sha256}",
        "Draws": scores_protocol(evidence.count, evidence.seed),
    }


def _stage_caption(stage: Stage) -> str:
    score = "no FID was taken here" if stage.quick_fid is None else f"quick FID {stage.quick_fid:.1f}"
    return f"{stage.images:,} images seen (epoch {stage.epoch:,.0f}): {score}"


def _last_stage_caption(evidence: Evidence, card: Card) -> str:
    final = (evidence.recorded or evidence.measured).generated_training
    return (
        f"{card.training.images_seen:,} images seen (epoch {card.training.epochs:,.0f}), the checkpoint: "
        f"FID {final.fid:.1f} at {final.first_count:,} / {final.second_count:,} images"
    )
