"""Measure whether a generator copies training images: nearest training crops, beside held-out crops'.

A real image that was never trained on has a nearest training crop, too, so only generated images nearer
than any real held-out crop indicate copying. The control is as many held-out crops as there are generated
images, all compared with every training crop: the nearest of them is the threshold. Held-out crops come
from few images, so their nearest one is an uncertain threshold; copies, however, are far beyond it: with
noise, blur, other brightness and shifts they keep 0.75 and more, chance reaches about 0.4.

Two images of one eye may show the same places. Held-out images that show places of training images are no
control and are left out of every comparison.

The nearest of many training images is nearer than the nearest of few held-out ones. So they are compared at
equal numbers of images per source, in many draws. The same comparison of training images with other
training images shows how far the share may be from one half by chance.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from endotwin.image_range import IMAGE_SIZE
from endotwin.image_reading import DataError
from training.data.crops import draw_crops
from training.data.split import Dataset, GreyImage
from training.random_streams import Purpose, stream
from training.scores.memorisation.nearest_crop import (
    EDGE,
    FINEST,
    LONGEST,
    MIRRORINGS,
    NearestCrops,
    count_crops,
    find_nearest_crops,
)
from training.scores.memorisation.record import (
    Memorisation,
    NearestPair,
    Preference,
    Similarities,
    Verdict,
)

COPY = 0.6
"""Similarity from which on an image counts as a copy."""

CHANCE = 10
"""Generated images beyond the threshold that need no explanation: if they were as near to training crops as
held-out crops are, more than k of them would be beyond with a chance of about one in 2 ** k."""

OVERLAP_SIMILARITY = 0.5
"""Similarity to a training crop from which on a held-out image shows a place of a training image."""

_TILE_STEP = 48
"""Largest distance, in pixels, of the crops by which overlaps are found."""

_LISTED_PAIRS = 10
_BINS = 50
_PERCENTS = (0, 1, 5, 25, 50, 75, 95, 99, 100)

_SUBSET_DRAWS = 400


class NoControlError(DataError):
    """No held-out image serves as a control; the message says why."""


def measure_memorisation(
    generated: np.ndarray,
    dataset: Dataset,
    *,
    seed: int = 0,
    workers: int = 1,
    progress: Callable[[int], object] | None = None,
) -> Memorisation:
    """Compare generated images with every crop of the training and of the held-out images.

    Args:
        generated: uint8 grey levels (n, 128, 128), n at least 1.
        dataset: the images the generator was trained on, with held-out ones.
        seed: of the control and of the subsets of images at equal numbers, see `Purpose`.
        workers: threads.
        progress: called with the number of comparisons done, of at most `comparison_count`.

    Raises:
        NoControlError: no image is held out, or each shows places of training images.
    """
    if not dataset.held_out:
        raise NoControlError(
            "memorisation is measured against held-out images, and none are held out; "
            "it needs a validation share above 0"
        )
    count = len(generated)
    training = _pixels(dataset.training)
    unseen = [image for image in dataset.held_out if not _overlaps(image.pixels, training, workers)]
    if not unseen:
        raise NoControlError(
            f"memorisation is measured against held-out images, but all {len(dataset.held_out)} of "
            "them show places that training images show, too; keep the images of one eye on one side"
        )
    held_out = _pixels(unseen)
    crops = draw_crops(unseen, count, stream(seed, Purpose.MEMORISATION_CONTROL))
    to_training = find_nearest_crops(generated, training, workers=workers, progress=progress)
    to_held_out = find_nearest_crops(generated, held_out, workers=workers, progress=progress)
    control = find_nearest_crops(crops, training, workers=workers, progress=progress)

    threshold = float(control.similarity.max())
    beyond = int((to_training.similarity > threshold).sum())
    copies = int((to_training.similarity > max(threshold, COPY)).sum())
    preference = _preference(
        to_training, to_held_out, dataset.training, unseen, stream(seed, Purpose.MEMORISATION_SUBSETS)
    )
    verdict = _verdict(beyond, copies, threshold)
    return Memorisation(
        method=_METHOD,
        seed=seed,
        training_images=len(training),
        held_out_images=len(held_out),
        held_out_overlapping=len(dataset.held_out) - len(held_out),
        training_crops=count_crops(training),
        held_out_crops=count_crops(held_out),
        generated_training=_similarities(to_training.similarity),
        generated_held_out=_similarities(to_held_out.similarity),
        control=_similarities(control.similarity),
        threshold=round(threshold, 4),
        beyond=beyond,
        share_beyond=beyond / count,
        copies=copies,
        preference=preference,
        verdict=verdict,
        sentence=_sentence(verdict, to_training.similarity, threshold, beyond, copies),
        nearest=_nearest_pairs(to_training, to_held_out, dataset),
    )


def comparison_count(count: int, dataset: Dataset) -> int:
    """Return how many pairs of an image and a larger image `measure_memorisation` compares at most."""
    return count * (2 * len(dataset.training) + len(dataset.held_out))


_METHOD = (
    f"Similarity: cosine of two crops after a band pass (Gaussians of {FINEST:g} and {LONGEST:g} pixels) "
    f"and division by the local contrast, without {EDGE} pixels along the edges. Nearest over every "
    f"place of every image and the mirrorings of training ({', '.join(MIRRORINGS)}), coarse to fine. The "
    "threshold is the nearest of as many held-out crops as generated images: the largest value, not a "
    "quantile below it."
)


def _overlaps(pixels: np.ndarray, training: Sequence[np.ndarray], workers: int) -> bool:
    """Return whether an image shows a place of a training image, by crops that cover it."""
    rows, columns = (
        np.linspace(0, size - IMAGE_SIZE, 1 + -(-(size - IMAGE_SIZE) // _TILE_STEP)).astype(np.int64)
        for size in pixels.shape
    )
    tiles = np.stack(
        [pixels[y : y + IMAGE_SIZE, x : x + IMAGE_SIZE] for y in rows.tolist() for x in columns.tolist()]
    )
    return bool(find_nearest_crops(tiles, training, workers=workers).similarity.max() > OVERLAP_SIMILARITY)


def _pixels(images: Sequence[GreyImage]) -> list[np.ndarray]:
    return [image.pixels for image in images]


def _similarities(values: np.ndarray) -> Similarities:
    clipped = np.clip(values, 0.0, 1.0)
    return Similarities(
        count=len(values),
        quantiles={str(q): round(float(np.percentile(values, q)), 4) for q in _PERCENTS},
        histogram=tuple(np.histogram(clipped, _BINS, (0.0, 1.0))[0].tolist()),
    )


def _verdict(beyond: int, copies: int, threshold: float) -> Verdict:
    if threshold > COPY:
        return "cannot be told"
    if copies:
        return "copies training images"
    return "look at the pairs" if beyond > CHANCE else "no copies found"


def _sentence(verdict: Verdict, similarity: np.ndarray, threshold: float, beyond: int, copies: int) -> str:
    count = len(similarity)
    if verdict == "cannot be told":
        return (
            f"Held-out images show places of training images (similarity {threshold:.2f}), so they are no "
            "control: images of one eye belong on one side of the split. Of "
            f"{count:,} generated images {int((similarity > COPY).sum()):,} are as similar to a training "
            "crop as copies are."
        )
    facts = (
        f"{beyond:,} of {count:,} generated images ({beyond / count:.1%}) are nearer to a training crop "
        f"than the nearest of {count:,} held-out crops is (similarity {threshold:.2f}); the nearest one "
        f"has {similarity.max():.2f}, a copy 0.75 or more."
    )
    if verdict == "copies training images":
        return f"The generator copies training images: {copies:,} images are copies of a crop. {facts}"
    if verdict == "look at the pairs":
        return f"Too many images are near to training crops for chance: look at the nearest pairs. {facts}"
    return f"No copy of a training image was found. {facts}"


@dataclass(frozen=True)
class _SourceImages:
    """Images of one source on both sides, by their places in `by_image`, and how many to draw of each."""

    training: np.ndarray
    held_out: np.ndarray
    number: int


def _preference(
    to_training: NearestCrops,
    to_held_out: NearestCrops,
    training: Sequence[GreyImage],
    unseen: Sequence[GreyImage],
    rng: np.random.Generator,
) -> Preference | None:
    """Compare nearest training and nearest held-out crops at equal numbers of images per source."""
    sides = []
    for source in sorted({image.source for image in training}):
        own, held = (
            np.array([k for k, image in enumerate(images) if image.source == source], dtype=np.int64)
            for images in (training, unseen)
        )
        # Twice as many training images are needed, to compare some of them with others.
        sides.append(_SourceImages(own, held, min(len(own) // 2, len(held))))
    number = sum(side.number for side in sides)
    if number == 0:
        return None
    shares, by_chance, differences = [], [], []
    for _ in range(_SUBSET_DRAWS):
        drawn = [rng.permutation(side.training)[: 2 * side.number] for side in sides]
        some = np.concatenate([places[: len(places) // 2] for places in drawn])
        others = np.concatenate([places[len(places) // 2 :] for places in drawn])
        held = np.concatenate([rng.permutation(side.held_out)[: side.number] for side in sides])
        nearest, nearest_other = (to_training.by_image[:, chosen].max(axis=1) for chosen in (some, others))
        nearest_held = to_held_out.by_image[:, held].max(axis=1)
        shares.append(float((nearest > nearest_held).mean()))
        by_chance.append(float((nearest > nearest_other).mean()))
        differences.append(float((nearest - nearest_held).mean()))
    low, high = np.percentile(by_chance, (2.5, 97.5))
    return Preference(
        images=number,
        draws=_SUBSET_DRAWS,
        nearer_to_training=round(float(np.mean(shares)), 4),
        luck_low=round(float(low), 4),
        luck_high=round(float(high), 4),
        similarity_difference=round(float(np.mean(differences)), 4),
    )


def _nearest_pairs(
    to_training: NearestCrops, to_held_out: NearestCrops, dataset: Dataset
) -> tuple[NearestPair, ...]:
    order = np.argsort(-to_training.similarity, kind="stable")[:_LISTED_PAIRS]
    return tuple(
        NearestPair(
            index=int(k),
            similarity=round(float(to_training.similarity[k]), 4),
            held_out_similarity=round(float(to_held_out.similarity[k]), 4),
            source=dataset.training[int(to_training.image[k])].source,
            image=int(to_training.image[k]),
            top=int(to_training.top[k]),
            left=int(to_training.left[k]),
            mirrored=MIRRORINGS[int(to_training.mirroring[k])],
        )
        for k in order
    )
