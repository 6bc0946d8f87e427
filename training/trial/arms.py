"""The arms of a trial: what a segmenter learns from, in one stage or in two."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from endotwin.segmentation.cells import cells_from_borders
from training.random_streams import Purpose
from training.trial.batches import BorderBatch, RealBatches, SyntheticBatches
from training.trial.borders import thick, thin
from training.trial.labelled_source import ASIDE, LabelledSource
from training.trial.settings import ArmKind
from training.trial.trial_data import (
    TrainingSet,
    TrialData,
    few_images,
    median_cell_area,
    split_for_validation,
    training_digest,
)

_MEASURED_BATCHES = 2


@dataclass(frozen=True)
class Stage:
    """Images that a segmenter is trained on until it no longer gains.

    Attributes:
        digest: of all that the batches follow from, but the seed of their order.
        batch: returns the batch of a step.
        validation: returns a number of batches of images that `batch` never shows.
        cell_area: of a typical cell, square pixels; measured when it is first asked for.
    """

    digest: str
    batch: Callable[[int], BorderBatch]
    validation: Callable[[int], list[BorderBatch]]
    cell_area: Callable[[], float]


@dataclass(frozen=True)
class Arm:
    """A way of training.

    Attributes:
        label: its name in tables.
        kind: see `ArmKind`.
        count: number of real annotated images; of the ceiling without its test images.
        source: name of the labelled source; None without one.
        stages: returns the stages of a seed, which also chooses the images where only some are used.
    """

    label: str
    kind: ArmKind
    count: int
    source: str | None
    stages: Callable[[int], list[Stage]]


_Part = Callable[[int], Stage]
"""Returns a stage of a seed."""


def make_arms(
    data: TrialData,
    kinds: Sequence[ArmKind],
    sources: Sequence[LabelledSource],
    counts: Sequence[int] = (),
) -> list[Arm]:
    """List the arms of a trial, real ones first, few images before many.

    Args:
        data: real images.
        kinds: which arms; those that need annotated images are left out where there are none.
        sources: labelled synthetic images.
        counts: numbers of annotated images, beside all, that `real` and `synthetic-then-real` are also
            trained on; those of more than there are are left out.
    """
    arms: list[Arm] = []
    total = sum(len(chosen.images) for chosen in data.training)
    numbers = [*sorted({count for count in counts if 0 < count < total}), *([total] if total else [])]

    def real(count: int) -> _Part:
        return _annotated(data.training, count, data.cell_area)

    if "real" in kinds:
        arms += [Arm(f"real ({count})", "real", count, None, _then(real(count))) for count in numbers]
    if "ceiling" in kinds and total:
        arms.append(Arm("ceiling", "ceiling", total, None, _then(lambda seed: _ceiling_stage(data, seed))))
    if "own" in kinds:
        for name, own in data.own.items():
            images = sum(len(chosen.images) for chosen in own)
            part = _annotated(own, images, None)
            arms.append(Arm(f"own {name} ({images})", "own", images, None, _then(part)))
    for source in sources:
        part, label = _synthetic(source), f"synthetic {source.name}"
        if "synthetic" in kinds:
            arms.append(Arm(label, "synthetic", 0, source.name, _then(part)))
        if "synthetic-then-real" in kinds:
            arms += [
                Arm(
                    f"{label}, then real ({count})",
                    "synthetic-then-real",
                    count,
                    source.name,
                    _then(part, real(count)),
                )
                for count in numbers
            ]
    return arms


def _then(*parts: _Part) -> Callable[[int], list[Stage]]:
    return lambda seed: [part(seed) for part in parts]


def _annotated(training: Sequence[TrainingSet], count: int, cell_area: float | None) -> _Part:
    """Return the stage of some annotated images; without a cell area, that of the images is taken."""

    def stage(seed: int) -> Stage:
        chosen = few_images(training, count, seed)
        return _real_stage(*split_for_validation(chosen, seed), seed, cell_area)

    return stage


def _ceiling_stage(data: TrialData, seed: int) -> Stage:
    learned, judged = split_for_validation(data.training, seed)
    with_tests = [
        replace(chosen, images=[*chosen.images, *data.annotated_tests(chosen.name)]) for chosen in learned
    ]
    return _real_stage(with_tests, judged, seed, data.cell_area)


def _real_stage(
    learned: Sequence[TrainingSet], judged: Sequence[TrainingSet], seed: int, cell_area: float | None
) -> Stage:
    area = median_cell_area(learned) if cell_area is None else cell_area

    def validation(count: int) -> list[BorderBatch]:
        crops = RealBatches(judged, 0, Purpose.TRIAL_VALIDATION)
        return [crops.batch(step) for step in range(count)]

    return Stage(
        digest=hashlib.sha256(
            f"{training_digest(learned)} {training_digest(judged)} {area}".encode()
        ).hexdigest(),
        batch=RealBatches(learned, seed).batch,
        validation=validation,
        cell_area=lambda: area,
    )


def _synthetic(source: LabelledSource) -> _Part:
    def stage(seed: int) -> Stage:
        batches = SyntheticBatches(source, seed)
        return Stage(source.digest, batches.batch, batches.aside, lambda: _label_cell_area(source))

    return stage


def _label_cell_area(source: LabelledSource) -> float:
    """Return the median over images of the mean cell area, of the first images that are set aside."""
    areas = []
    for k in range(_MEASURED_BATCHES):
        for borders in source.block(ASIDE + k)[1]:
            cells = cells_from_borders(thick(thin(borders > 127)))
            cut = len(np.unique(np.concatenate([cells[0], cells[-1], cells[:, 0], cells[:, -1]])))
            areas.append(cells.size / (int(cells.max()) - cut / 2))
    return float(np.median(areas))
