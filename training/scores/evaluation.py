"""The recorded score of a checkpoint: the paper's protocol, and the scores it is read beside."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from pytorch_fid.inception import InceptionV3

from endotwin.generator.card import Card, FidRecord, FidScore, ImageStatistics, Source
from endotwin.generator.checkpoint import Checkpoint
from endotwin.generator.device import describe_device
from endotwin.image_range import IMAGE_SIZE
from training.data.sources import Sources
from training.data.split import Dataset
from training.scores.comparisons import COMPARISONS, ComparisonName, fid_of_pair, possible_comparisons
from training.scores.fid import cached_features, features, fid_from_features
from training.scores.image_sets import ImageSets, draw_training_crops
from training.scores.image_statistics import image_statistics
from training.scores.inception import FEATURE_COUNT, load_inception
from training.scores.request import COUNT, DEFAULT_CACHE, RECORD_MINIMUM, EvaluationError

if TYPE_CHECKING:
    from training.learning.trainer import Trainer

STATISTICS_COUNT = 1_000
"""Images of which the statistics beside FID are taken."""


def evaluate(
    checkpoint: Checkpoint,
    dataset: Dataset,
    *,
    count: int = COUNT,
    seed: int = 0,
    device: str = "cpu",
    inception: Path | None = None,
    cache: Path | None = DEFAULT_CACHE,
    quiet: bool = False,
) -> tuple[FidRecord, ImageStatistics]:
    """Score a generator by the paper's protocol, beside its controls.

    Everything follows from `seed`: this is the first draw of `ImageSets`. On two CPU cores 3,000 images
    take 15 to 30 minutes; the features are kept for the next time.

    Args:
        checkpoint: the generator; of its card only the architecture is read.
        dataset: the images it was trained on; without held-out ones two of the scores are None.
        count: images on either side, at least 2,048.
        seed: 0 to 2**64 - 1.
        device: torch device for the generator and for Inception.
        inception: file of the Inception weights, see `load_inception`.
        cache: folder for features, or None for no cache.
        quiet: no progress bars.

    Raises:
        EvaluationError: the count is too small for a record.
        InceptionError: the Inception weights are missing or not the known ones.
    """
    require_recordable(count)
    sets = ImageSets(
        checkpoint,
        dataset,
        count=count,
        seed=seed,
        device=device,
        inception=inception,
        cache=cache,
        quiet=quiet,
    )
    found = {name: fid_of_pair(sets, name, 0) for name in possible_comparisons(sets)}
    return fid_record(sets, found), measure_statistics(sets)


def require_recordable(count: int) -> None:
    """Check that scores at a count may be recorded.

    Raises:
        EvaluationError: it is too small.
    """
    if count < RECORD_MINIMUM:
        raise EvaluationError(
            f"a recorded FID needs at least {RECORD_MINIMUM} images on either side, got {count}; "
            f"the paper's protocol takes {COUNT}"
        )


def fid_record(sets: ImageSets, found: Mapping[ComparisonName, float]) -> FidRecord:
    """Describe the FIDs of the first draw as a card does.

    Args:
        sets: the images that were compared.
        found: FID by comparison; those with held-out crops only where there are any.
    """
    scores = {
        name: FidScore(
            fid=fid,
            first=COMPARISONS[name].words[0],
            second=COMPARISONS[name].words[1],
            first_count=sets.count,
            second_count=sets.count,
        )
        for name, fid in found.items()
    }
    return FidRecord(
        generated_training=scores["generated_training"],
        generated_held_out=scores.get("generated_held_out"),
        real_real=scores["real_real"],
        real_held_out=scores.get("real_held_out"),
        noise_real=scores["noise_real"],
        protocol=_protocol(sets.count, sets.seed),
        inception_sha256=sets.inception_sha256,
        pytorch_fid=version("pytorch-fid"),
        seed=sets.seed,
        device=describe_device(sets.device),
    )


def measure_statistics(sets: ImageSets) -> ImageStatistics:
    """Measure repeated motifs and power spectra on the first images of the first draw."""
    shown = min(sets.count, STATISTICS_COUNT)
    return image_statistics(sets.images("generated", limit=shown), sets.images("training", limit=shown))


def quick_fid(
    images: np.ndarray,
    reference_features: np.ndarray,
    model: InceptionV3,
    *,
    device: str | torch.device = "cpu",
) -> float:
    """Return the FID of a few images, to watch a run by. Never a record: FID grows as the count falls.

    Args:
        images: uint8 grey levels (n, 128, 128), n at least 2.
        reference_features: `features` of training crops (m, 2048), best as many as images.
        model: from `load_inception`.
        device: where to compute.
    """
    return fid_from_features(features(images, model, device=device), reference_features)


def quick_score(
    dataset: Dataset, *, count: int, inception: Path | None = None, cache: Path | None = DEFAULT_CACHE
) -> Callable[[Trainer], float]:
    """Return a function that measures a run's `quick_fid` against training crops, always the same ones.

    Args:
        dataset: the images of the run.
        count: images on either side, at least 2.
        inception: file of the Inception weights, see `load_inception`; loaded now, so that a run without
            them fails before it starts.
        cache: folder for features, or None for no cache.

    Raises:
        EvaluationError: the count is below 2.
        InceptionError: the Inception weights are missing or not the known ones.
    """
    if count < 2:
        raise EvaluationError(f"a quick FID needs at least 2 images on either side, got {count}")
    model, inception_sha256 = load_inception(inception)
    crops = draw_training_crops(dataset, count)
    reference: np.ndarray | None = None

    def score(run: Trainer) -> float:
        nonlocal reference
        if reference is None:
            reference = cached_features(crops, model, inception_sha256, device=run.device, cache=cache)
        return quick_fid(run.sample(count), reference, model, device=run.device)

    return score


def load_sources(card: Card, sources: Sources, where: Path) -> Dataset:
    """Load the images a checkpoint was trained on, split as they were then.

    Args:
        card: holds the digest of the images.
        sources: the images, see `sources_of_card` and `read_sources`.
        where: the folder or file that was given for them, for messages.

    Raises:
        DataError: a source is missing, or its images cannot be read.
        EvaluationError: the images are not those the checkpoint was trained on.
    """
    dataset = sources.load()
    if dataset.digest != card.data.image_list_sha256:
        raise EvaluationError(
            f"{where}: these are not the images that {card.name} was trained on, or their folder has "
            "another name, so its FID cannot be measured again (digest here "
            f"{dataset.digest[:12]}…, in the card {card.data.image_list_sha256[:12]}…)"
            f"\n  in the card: {_counts(card.data.sources)}\n  here: {_counts(dataset.sources)}"
        )
    return dataset


def _counts(sources: tuple[Source, ...]) -> str:
    return ", ".join(f"{s.name}: {s.images} + {s.held_out} held out" for s in sources)


def _protocol(count: int, seed: int) -> str:
    return (
        f"Images 0 to {count - 1} of seed {seed} against {count} random {IMAGE_SIZE} x {IMAGE_SIZE} crops, "
        "drawn as in training (image by weight, place uniform, mirrored at random). Crops and noise by "
        f"numpy.random.default_rng([{seed}, k]): k = 1 training, 2 second draw, 3 held-out, 4 noise "
        f"(uniform 0 to 255). Inception 2015-12-05 of pytorch-fid, "
        f"{FEATURE_COUNT} features, grey as three equal channels, resized to 299 x 299 by the network."
    )
