"""Find images that show the same cells by local features under one shift, scale and rotation.

A hash of a whole image does not survive another crop. SIFT features (OpenCV) do: their descriptors are
hashed to bits by random hyperplanes, images that share hashes are candidates, and a candidate counts when
many of its points lie in the other image under one similarity transform (RANSAC).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import cv2
import numpy as np

POINTS = 300
"""Most distinct points of an image that are described."""

_TABLES = 8
_BITS = 32
_MOST_SHARING = 8
"""Of a hash that more features share, only neighbours in its list count as sharing it."""

_SHARED = 8
"""Hashes that two images must share to be compared; copies share 20 to 250, others hardly ever 8."""

_REPROJECTION = 3.0
_LARGEST_SCALE = 2.6
_LARGEST_TURN = 12.0
"""Degrees away from upright or upside down."""


@dataclass(frozen=True)
class Features:
    """Distinct points of an image.

    Attributes:
        size: (width, height) of the image in pixels.
        points: float32 (n, 2), x and y.
        descriptors: uint8 (n, 128).
    """

    size: tuple[int, int]
    points: np.ndarray
    descriptors: np.ndarray


@dataclass(frozen=True)
class Match:
    """How well one image is found in another.

    Attributes:
        points: points that agree on one transform.
        overlap: share of the smaller image that both show.
    """

    points: int
    overlap: float


def find_features(grey: np.ndarray) -> Features:
    """Describe the distinct points of an image, after evening out brightness and contrast.

    Args:
        grey: uint8 (height, width).
    """
    levels = grey.astype(np.float32)
    detail = cv2.GaussianBlur(levels, (0, 0), 1.0) - cv2.GaussianBlur(levels, (0, 0), 14.0)
    strength = cv2.sqrt(cv2.GaussianBlur(detail * detail, (0, 0), 14.0)) + 2.0
    even = np.clip(detail / strength * 45.0 + 128.0, 0, 255).astype(np.uint8)
    sift = cv2.SIFT_create(nfeatures=POINTS)  # type: ignore[attr-defined]
    points, descriptors = sift.detectAndCompute(even, None)
    if descriptors is None:
        points, descriptors = (), np.zeros((0, 128), dtype=np.float32)
    return Features(
        size=(grey.shape[1], grey.shape[0]),
        points=np.array([point.pt for point in points], dtype=np.float32).reshape(-1, 2),
        descriptors=descriptors.astype(np.uint8),
    )


def mean_descriptor(descriptors: Sequence[np.ndarray]) -> np.ndarray:
    """Return the mean of the descriptors of some images: float32 (128,). All hashes are taken around it."""
    every = np.concatenate([np.zeros((1, 128), dtype=np.uint8), *descriptors])
    mean: np.ndarray = every.mean(axis=0, dtype=np.float32)
    return mean


def hash_features(descriptors: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Return the hashes of descriptors: uint32 (tables, n). Near descriptors share some of them.

    Args:
        descriptors: of one image.
        centre: `mean_descriptor` of the collection.
    """
    centred = descriptors.astype(np.float32) - centre
    planes = np.random.default_rng(0).standard_normal((_TABLES, 128, _BITS)).astype(np.float32)
    weights = (1 << np.arange(_BITS, dtype=np.uint64)).astype(np.uint64)
    return np.stack([((centred @ table) > 0) @ weights for table in planes]).astype(np.uint32)


def candidate_pairs(hashes: Sequence[np.ndarray]) -> list[tuple[int, int]]:
    """Return the pairs of images that may show the same cells, each as (lower, higher) place.

    Args:
        hashes: for each image, uint32 (tables, n) as `hash_features` makes them.
    """
    if len(hashes) < 2:
        return []
    counts = [each.shape[1] for each in hashes]
    image = np.repeat(np.arange(len(hashes), dtype=np.int64), counts)
    codes, votes = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    for table in range(_TABLES):
        keys = np.concatenate([each[table] for each in hashes])
        more, counts_more = np.unique(
            np.concatenate(list(_shared(keys, image, len(hashes)))), return_counts=True
        )
        codes, place = np.unique(np.concatenate([codes, more]), return_inverse=True)
        weights = np.concatenate([votes, counts_more])
        votes = np.bincount(place, weights=weights, minlength=len(codes)).astype(np.int64)
    return [divmod(int(code), len(hashes)) for code in codes[votes >= _SHARED]]


def missing_within_groups(
    compared: Iterable[tuple[str, str]], alike: Iterable[tuple[str, str]]
) -> list[tuple[str, str]]:
    """Return the pairs of images of one group that were not compared yet.

    Args:
        compared: all pairs that were compared, each sorted.
        alike: those that show the same cells. Images linked by a chain of them are a group.
    """
    done = set(compared)
    group_of: dict[str, set[str]] = {}
    for one, other in alike:
        joined = group_of.get(one, {one}) | group_of.get(other, {other})
        for member in joined:
            group_of[member] = joined
    groups = {min(group): group for group in group_of.values()}
    return [
        pair for group in groups.values() for pair in combinations(sorted(group), 2) if pair not in done
    ]


def match_features(one: Features, other: Features) -> Match:
    """Compare two images point by point."""
    none = Match(0, 0.0)
    if min(len(one.points), len(other.points)) < 6:
        return none
    matches = cv2.BFMatcher(cv2.NORM_L2, crossCheck=True).match(
        one.descriptors.astype(np.float32), other.descriptors.astype(np.float32)
    )
    if len(matches) < 6:
        return none
    here = one.points[[match.queryIdx for match in matches]]
    there = other.points[[match.trainIdx for match in matches]]
    cv2.setRNGSeed(0)  # RANSAC draws: the same pair always gets the same answer
    transform, agree = cv2.estimateAffinePartial2D(
        here, there, ransacReprojThreshold=_REPROJECTION, maxIters=1_000
    )
    if transform is None:
        return none
    scale = float(np.hypot(transform[0, 0], transform[1, 0]))
    turn = float(np.degrees(np.arctan2(transform[1, 0], transform[0, 0]))) % 180
    if not 1 / _LARGEST_SCALE <= scale <= _LARGEST_SCALE or min(turn, 180 - turn) > _LARGEST_TURN:
        return none
    return Match(int(agree.sum()), _overlap(one.size, other.size, transform))


def _shared(keys: np.ndarray, image: np.ndarray, images: int) -> Iterator[np.ndarray]:
    """Yield codes (lower · images + higher) of images that share a key."""
    order = np.argsort(keys, kind="stable")
    keys, image = keys[order], image[order]
    starts = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]])
    sizes = np.diff(np.r_[starts, len(keys)])
    few = np.repeat(sizes <= _MOST_SHARING, sizes)
    for distance in range(1, _MOST_SHARING):
        same = keys[distance:] == keys[:-distance]
        if distance > 1:
            same &= few[distance:]
        one, other = image[:-distance][same], image[distance:][same]
        differ = one != other
        # Stable sorting keeps images in order within a key, so `one` is the lower.
        yield one[differ] * images + other[differ]


def _overlap(one: tuple[int, int], other: tuple[int, int], transform: np.ndarray) -> float:
    def corners(size: tuple[int, int]) -> np.ndarray:
        width, height = size
        return np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=np.float32)

    moved = cv2.transform(corners(one)[None], transform)[0].astype(np.float32)
    smaller = min(cv2.contourArea(moved), float(other[0] * other[1]))
    shared, _ = cv2.intersectConvexConvex(moved, corners(other))
    return float(min(1.0, max(0.0, shared / smaller))) if smaller > 0 else 0.0
