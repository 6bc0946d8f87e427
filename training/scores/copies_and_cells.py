"""Nearest crops and cells of the first draw's generated images, with their pictures for the report."""

from __future__ import annotations

from endotwin.image_range import ImageRange
from endotwin.mosaic.labels import Label
from training.data.sources import Sources
from training.scores.image_sets import ImageSets
from training.scores.memorisation import NoControlError, comparison_count, measure_memorisation
from training.scores.memorisation_figures import draw_nearest, draw_pairs, plot_similarities
from training.scores.memorisation_record import Memorisation
from training.scores.morphometry import measure_morphometry
from training.scores.morphometry_error import read_experts
from training.scores.morphometry_figures import plot_areas, plot_groups
from training.scores.morphometry_record import Morphometry
from training.scores.progress_bars import progress_bar
from training.scores.report import CellPictures, CopyPictures

LABELS = 64
"""Generated images with labels on which the method's error is measured."""


def search_copies(
    sets: ImageSets, count: int, *, show_real: bool, quiet: bool = False
) -> tuple[Memorisation, CopyPictures] | None:
    """Search the nearest real crops of generated images; None without a held-out image to compare with.

    Args:
        sets: the images.
        count: how many generated images at most, the first ones of the seed.
        show_real: also draw the real crops.
        quiet: no progress bar.
    """
    generated = sets.images("generated", limit=count)
    with progress_bar("nearest crops", comparison_count(len(generated), sets.dataset), quiet=quiet) as bar:
        try:
            found = measure_memorisation(generated, sets.dataset, seed=sets.seed, progress=bar.update)
        except NoControlError:
            return None
    pairs = draw_pairs(generated, sets.dataset, found) if show_real else None
    return found, CopyPictures(plot_similarities(found), draw_nearest(generated, found), pairs)


def measure_cells(
    sets: ImageSets, sources: Sources, count: int, *, quiet: bool = False
) -> tuple[Morphometry, CellPictures]:
    """Measure the cells of generated and of as many real images.

    Args:
        sets: the images.
        sources: where they come from, for the borders that experts drew on them.
        count: how many generated images at most, the first ones of the seed.
        quiet: no progress bar.
    """
    generated = sets.images("generated", limit=count)
    with progress_bar("cells", 4 * len(generated), quiet=quiet) as bar:
        found = measure_morphometry(
            generated,
            sets.dataset,
            seed=sets.seed,
            experts=read_experts(sources),
            labels=_labels(sets, min(LABELS, len(generated))),
            progress=bar.update,
        )
    return found, CellPictures(plot_areas(found), plot_groups(found))


def _labels(sets: ImageSets, count: int) -> list[Label]:
    """Return the labels of the first generated images; none for a generator without labels."""
    if not sets.sampler.has_labels:
        return []
    batches = sets.sampler.batches(ImageRange(sets.seed, 0, count))
    return [label for batch in batches for label in batch.labels()]
