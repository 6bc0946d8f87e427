"""Whether an adapted checkpoint copies its few images: measured by itself, reported in one page."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from endotwin.generator.card import MemorisationSummary
from endotwin.generator.checkpoint import Checkpoint
from endotwin.generator.sampler import Sampler
from training.data.split import Dataset
from training.html_page import write_page
from training.scores.evidence import memorisation_summary
from training.scores.image_sets import progress_bar
from training.scores.memorisation.figures import draw_pairs, plot_similarities
from training.scores.memorisation.measurement import NoControlError, comparison_count, measure_memorisation

EXAMINED = 100
"""Generated images that are examined."""

_CONTROLS = 6
"""Held-out images that serve as controls at most: each is compared with every place of every image."""


@dataclass(frozen=True)
class CopySearch:
    """What was found, for the card, or None; and what a person is told."""

    summary: MemorisationSummary | None
    sentence: str


def measure_and_report(checkpoint: Checkpoint, dataset: Dataset, path: Path) -> CopySearch:
    """Search the nearest training crops of generated images, and write a page that shows the nearest pairs.

    Args:
        checkpoint: whose images.
        dataset: the images it was trained on.
        path: of the page, which shows real images; not written if no held-out image serves as a control.
    """
    dataset = replace(dataset, held_out=dataset.held_out[:_CONTROLS])
    generated = Sampler(checkpoint).images(0, EXAMINED)
    with progress_bar("nearest crops", comparison_count(EXAMINED, dataset), quiet=False) as bar:
        try:
            found = measure_memorisation(generated, dataset, progress=bar.update)
        except NoControlError as error:
            return CopySearch(None, f"not known: {error}")
    write_page(
        path,
        "memorisation.html",
        title="Memorisation",
        found=found,
        similarities=plot_similarities(found),
        pairs=draw_pairs(generated, dataset, found),
    )
    return CopySearch(memorisation_summary(found), f"{found.sentence} Look at {path}")
