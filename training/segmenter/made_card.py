"""The card of a segmenter that was just trained."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np

from endotwin.generator.device import describe_device
from endotwin.segmentation.card import Learning, SegmenterCard, TrainingSet
from endotwin.segmentation.cells import cells_from_borders
from endotwin.segmentation.certain_cells import cut_by_edge
from training.segmenter.labelled_set import LabelledSet
from training.segmenter.run import METHOD
from training.trial.convergence import Convergence

_MEASURED = 200


def make_card(
    chosen: LabelledSet, path: Path, convergence: Convergence, seed: int, device: str
) -> SegmenterCard:
    """Return the card of a segmenter, without scores.

    Args:
        chosen: what it was trained on.
        path: of the set; only its name is told.
        convergence: how training went.
        seed: of weights, order and augmentation.
        device: torch device.
    """
    origin = chosen.origin
    made_by = "" if origin.model is None else f", made by the model {origin.model}"
    return SegmenterCard(
        description=f"Borders of corneal endothelial cells, learned from {len(chosen.training)} labelled "
        f"images{made_by}; for research, not for diagnosis.",
        created=datetime.now(UTC).date().isoformat(),
        training_set=TrainingSet(
            name=path.resolve().name,
            images=len(chosen.training),
            validation=len(chosen.validation),
            sha256=chosen.digest,
            model=origin.model,
            generator_sha256=origin.generator_sha256,
            seed=origin.seed,
            conditions=origin.conditions,
            cell_side=round(cell_side(chosen), 2),
        ),
        learning=Learning(
            method=METHOD,
            steps=convergence.steps,
            best_step=convergence.best_step,
            loss=round(convergence.best_loss, 4),
            ended=convergence.ended,
            seconds=convergence.seconds,
            seed=seed,
            device=describe_device(device),
            versions={name: version(name) for name in ("torch", "scikit-image", "scipy")},
        ),
        terms="as of the set's images",
    )


def cell_side(chosen: LabelledSet) -> float:
    """Return the median over images of the root of the mean cell area, in pixels."""
    sides = []
    for labelled in chosen.validation[:_MEASURED]:
        bands, _ = labelled.bands_and_area
        cells = cells_from_borders(bands)
        # A cell that the edge cuts counts as half a cell.
        count = int(cells.max()) - cut_by_edge(cells).sum() / 2
        sides.append(float(np.sqrt(cells.size / max(count, 1.0))))
    return float(np.median(sides))
