"""`report.html`: everything an evaluation found, in one file that stands alone."""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from endotwin.files import whole_file
from endotwin.generator.card import Card
from training.scores.cell_tables import CellPictures, morphometry_section
from training.scores.copy_tables import CopyPictures, memorisation_section
from training.scores.html_page import close_page, figure, open_page
from training.scores.results import Evidence, scores_protocol
from training.scores.run_history import CoursePictures, Stage
from training.scores.score_tables import feature_section, fid_section

REPORT = "report.html"
PRIVATE_REPORT = "report.private.html"
"""Where it shows real images, as every file of this project that must not leave the clinic."""

_STYLE = """
body { max-width: 1000px } p { max-width: 46rem }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: #eef2f5; padding: .6rem .9rem;
  user-select: all }
.alarm { background: #fbe3e4; border-left: 4px solid #a61b29; padding: .6rem .9rem; font-weight: 600 }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem .9rem; font-size: 13px }
dd { margin: 0; overflow-wrap: anywhere }
figure { margin: 1rem 0 } img { max-width: 100%; height: auto }
.wide img { min-width: 640px }
@media (max-width: 600px) { dl { grid-template-columns: 1fr } dt { font-weight: 600; margin-top: .3rem } }
"""


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
    course: CoursePictures | None
    copies: CopyPictures | None
    cells: CellPictures | None
    real: bytes | None


def write_report(evidence: Evidence, card: Card, pictures: Pictures, output: Path) -> Path:
    """Write the report into a folder and return its path."""
    path = output / (REPORT if pictures.real is None else PRIVATE_REPORT)
    with whole_file(path) as file:
        for part in _parts(evidence, card, pictures):
            file.write(part.encode())
    return path


def _parts(evidence: Evidence, card: Card, pictures: Pictures) -> Iterator[str]:
    command = f"<pre>{html.escape(evidence.command)}</pre>"
    yield open_page(f"Evaluation of {evidence.name}", _STYLE, above=command)
    yield from _marks(evidence, pictures)
    yield _made_with(evidence, card)
    yield _generated(pictures)
    yield fid_section(evidence)
    yield feature_section(evidence)
    if evidence.memorisation is not None and pictures.copies is not None:
        yield memorisation_section(evidence.memorisation, pictures.copies)
    else:
        yield (
            "<h2>Memorisation</h2><p>Not measured: it was left out, or no images are held out to compare "
            "with.</p>"
        )
    if evidence.morphometry is not None and pictures.cells is not None:
        yield morphometry_section(evidence.morphometry, pictures.cells)
    else:
        yield "<h2>Cells</h2><p>Not measured: they were left out.</p>"
    yield _course(evidence, card, pictures)
    yield _statistics(evidence, pictures)
    yield _labels(evidence, pictures)
    yield _caveats(evidence, card)
    yield close_page()


def _marks(evidence: Evidence, pictures: Pictures) -> Iterator[str]:
    if pictures.real is not None:
        yield '<p class="alarm">Contains real images: do not publish.</p>'
    if not evidence.recordable:
        yield (
            f'<p class="alarm">A quick look at {evidence.count:,} images a side. FID falls as the count '
            "grows and other scores move too: these numbers are compared with no others, and no card holds "
            "them.</p>"
        )


def _made_with(evidence: Evidence, card: Card) -> str:
    sources = (f"{s.name} {s.images} + {s.held_out} held out" for s in card.data.sources)
    lines = {
        "Checkpoint": f"sha256 {evidence.checkpoint_sha256}",
        "With this evidence": None
        if evidence.recorded_sha256 is None
        else f"sha256 {evidence.recorded_sha256}",
        "Training images": f"{', '.join(sources)}; digest {evidence.image_list_sha256}",
        "Trained": f"recipe {card.training.recipe}, {card.training.images_seen:,} images seen, "
        f"{card.training.epochs:,.0f} epochs",
        "Measured": f"{evidence.created}, on {evidence.device}, in float32",
        "Versions": ", ".join(f"{name} {found}" for name, found in evidence.versions.items()),
        "Inception": f"sha256 {evidence.measured.inception_sha256}",
        "Draws": scores_protocol(evidence.count, evidence.seed),
    }
    told = "".join(
        f"<dt>{name}</dt><dd>{html.escape(text)}</dd>" for name, text in lines.items() if text is not None
    )
    return f"<dl>{told}</dl>"


def _generated(pictures: Pictures) -> str:
    shown = figure(
        pictures.generated,
        "The first images of the seed, in order, not selected.",
        "a grid of generated images",
        "scroll wide",
    )
    if pictures.real is not None:
        shown += figure(
            pictures.real,
            "Real training crops, drawn as in training.",
            "a grid of real crops",
            "scroll wide",
        )
    return f"<h2>Generated images</h2>{shown}"


def _course(evidence: Evidence, card: Card, pictures: Pictures) -> str:
    title = "<h2>The course of training</h2>"
    if evidence.course is None or pictures.course is None:
        return title + (
            "<p>Not shown: quick FIDs and sample grids are kept in the folder of the training run, not in "
            "the checkpoint. Give it with <code>--run runs/…</code> (docs/training.md).</p>"
        )
    parts = [
        title,
        f"<p>Of the run {html.escape(evidence.course.run)}: always the same twenty images, with the FID at "
        "that stage below. A quick FID is of a few hundred images and reads too high: compare quick ones "
        "with each other, and the last, recorded one with the table above.</p>",
    ]
    for stage, sheet in zip(evidence.course.shown, pictures.course.stages, strict=True):
        parts.append(figure(sheet, _stage_words(stage), "images at this stage", "scroll wide"))
    final = (evidence.recorded or evidence.measured).generated_training
    parts.append(
        figure(
            pictures.stage,
            f"{card.training.images_seen:,} images seen (epoch {card.training.epochs:,.0f}), the "
            f"checkpoint: FID {final.fid:.1f} at {final.first_count:,} / {final.second_count:,} images",
            "images of the checkpoint",
            "scroll wide",
        )
    )
    if pictures.course.fid is not None:
        parts.append(
            figure(
                pictures.course.fid,
                "FID over images seen and epochs. It should fall and flatten; a rise at the end would say "
                "that the run went on for too long.",
                "FID over images seen",
            )
        )
    else:
        parts.append(
            "<p>The run kept no quick FIDs to draw over epochs: <code>train --score-every 8000</code> "
            "keeps them.</p>"
        )
    return "".join(parts)


def _stage_words(stage: Stage) -> str:
    score = "no FID was taken here" if stage.quick_fid is None else f"quick FID {stage.quick_fid:.1f}"
    return f"{stage.images:,} images seen (epoch {stage.epoch:,.0f}): {score}"


def _statistics(evidence: Evidence, pictures: Pictures) -> str:
    found = evidence.statistics
    return (
        "<h2>Repeated motifs and power spectra</h2>"
        f"<p>The mean absolute correlation between different high-passed images is "
        f"{found.generated_correlation:.4f} for generated images and {found.real_correlation:.4f} for real "
        f"crops ({found.count:,} of each). Much above the real value, a motif would come back in every "
        "image. The two curves of a spectrum should lie on each other: generated below real is blur, above "
        "it is grain, a peak is a checkerboard or rows.</p>"
        + figure(pictures.spectra, "Mean power by frequency.", "power spectra")
    )


def _labels(evidence: Evidence, pictures: Pictures) -> str:
    if evidence.labels is None or pictures.labelled is None:
        return ""
    found = evidence.labels
    return (
        "<h2>Labels</h2>"
        f"<p>Borders in {found.count} images lie {found.displacement_median:.2f} pixels (median) from "
        f"those of their labels, {found.displacement_within_one:.0%} within one pixel. Chance would be "
        f"{found.displacement_reach / 2:g} pixels; expert borders on real images lie 0.75 to 1.75 pixels "
        "off by the same measure.</p>"
        + figure(
            pictures.labelled,
            "Images, and below each its label: borders red, guttae blue.",
            "labels",
            "scroll wide",
        )
    )


def _caveats(evidence: Evidence, card: Card) -> str:
    points = [
        "All scores on this page but the correlations, the spectra, the nearest crops and the cells rest "
        "on a network trained on ImageNet, which has seen no cornea."
    ]
    if card.training.pretrained:
        points.append(
            f"Training used pretrained networks ({html.escape(card.training.pretrained)}). A generator "
            "that learnt through ImageNet features can score better by ImageNet features than it looks "
            "(Kynkäänniemi et al. 2023)."
        )
    held_out = sum(source.held_out for source in card.data.sources)
    if held_out:
        points.append(
            f"The held-out images are {held_out}: their crops stand for few eyes, and scores against them "
            "move with the split."
        )
    points.append("For research, not for diagnosis.")
    return "<h2>What these numbers do not say</h2><ul>" + "".join(f"<li>{p}</li>" for p in points) + "</ul>"
