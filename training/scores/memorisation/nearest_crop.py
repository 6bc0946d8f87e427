"""The nearest crop of a set of images to each of many images: over every place and every mirroring.

Both sides are band-passed, so that neither illumination (longer than cells) nor grain and rows (finer than
borders) count, and divided by the local contrast. The similarity of two crops is the cosine of the results:
1 for a copy, about 0 for two unrelated places. Brightness, contrast, a gentle change of either across the
image, mild blur, noise and a shift by part of a pixel hardly change it.

The search is coarse to fine. At reduced resolution every place of every image, mirrored either way, is
compared by FFT; around the best places of the nearest images the search is repeated at full resolution. The
similarity returned is that of a pair at full resolution. That no other place is nearer is not proved;
`tests/training/scores/test_nearest_crop.py` compares with a search of every place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import fft
from scipy.ndimage import gaussian_filter

from endotwin.image_range import IMAGE_SIZE

Mirroring = Literal["no", "left-right", "up-down", "both"]

MIRRORINGS: tuple[Mirroring, ...] = ("no", "left-right", "up-down", "both")
"""The symmetries under which training draws its crops (`draw_crops`). Augmentation adds
shifts, which are places of their own, and no turning or scaling."""

FINEST = 2.0
"""Standard deviation, pixels, of the blur that removes grain and rows."""

LONGEST = 6.0
"""Standard deviation, pixels, of the blur that is subtracted: halves what is longer than 32 pixels."""

_AROUND = 12.0
"""Standard deviation, pixels, of the surroundings by whose contrast every place is divided."""

_LEAST_CONTRAST = 1.0
"""Grey levels. Where less is left of an image than this, there is no structure to enlarge."""

EDGE = 8
"""Pixels along the edge of an image that are not compared: what lies beyond it shapes them."""

_LEFT_RIGHT, _UP_DOWN = 1, 2  # bits of a mirroring's place among MIRRORINGS

_WINDOW = IMAGE_SIZE - 2 * EDGE

_LEAST_POWER = 0.01
"""Mean square of a window, relative to full local contrast, below which it counts as having that much."""

_REDUCTION = 2
"""Pixels per place of the coarse search, either way."""

_REFINED = 4
"""Images in which the best coarse place is sought at full resolution, for each image compared."""

_BATCH = 16
"""Images compared at a time: their transforms fit into the processor's cache."""


@dataclass(frozen=True)
class NearestCrops:
    """The nearest crop to each of n images, out of the crops of m images.

    Attributes:
        similarity: float64 (n,), at full resolution, -1 to 1.
        image: int64 (n,), which of the m images holds the crop.
        top: int64 (n,), its first row there, not mirrored.
        left: int64 (n,), its first column.
        mirroring: int64 (n,), into `MIRRORINGS`: how the crop is mirrored to look like the image compared.
        by_image: float32 (n, m), similarity to the nearest crop of each image, from the coarse search.
        crops: number of crops compared with each image: places times mirrorings.
    """

    similarity: np.ndarray
    image: np.ndarray
    top: np.ndarray
    left: np.ndarray
    mirroring: np.ndarray
    by_image: np.ndarray
    crops: int


def find_nearest_crops(
    images: np.ndarray,
    among: Sequence[np.ndarray],
    *,
    workers: int = 1,
    progress: Callable[[int], object] | None = None,
) -> NearestCrops:
    """Find for each image the nearest crop of a set of larger images.

    Memory: nine bytes per pair of an image and a larger image, and the images compared at 63 kB each.

    Args:
        images: uint8 grey levels (n, 128, 128), n at least 1.
        among: uint8 grey levels (H, W), H and W at least 128; at least one.
        workers: threads.
        progress: called with the number of images compared, n for each of the larger images.
    """
    fine = np.stack([_unit(structure(image)) for image in images])
    coarse = np.stack([_unit(_reduced(structure(image))) for image in images])
    count = len(images)
    by_image = np.empty((count, len(among)), dtype=np.float32)
    place = np.empty((count, len(among), 2), dtype=np.int16)
    mirroring = np.empty((count, len(among)), dtype=np.int8)
    batches = [slice(first, first + _BATCH) for first in range(0, count, _BATCH)]
    with ThreadPoolExecutor(workers) as pool:
        for k, pixels in enumerate(among):
            search = _CoarseSearch(pixels)
            for batch, found in zip(batches, pool.map(search, [coarse[b] for b in batches]), strict=True):
                by_image[batch, k], place[batch, k], mirroring[batch, k] = found
                if progress is not None:
                    progress(len(found[0]))
        refined = np.zeros(by_image.shape, dtype=bool)
        np.put_along_axis(refined, np.argsort(-by_image, axis=1)[:, :_REFINED], True, axis=1)

        def refine(k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            rows = np.flatnonzero(refined[:, k])
            return rows, *_refine(fine[rows], among[k], mirroring[rows, k], place[rows, k])

        similarity = np.full(count, -np.inf)
        image = np.zeros(count, dtype=np.int64)
        corner = np.zeros((count, 2), dtype=np.int64)
        for k, (rows, found_similarity, found_corner) in enumerate(pool.map(refine, range(len(among)))):
            nearer = found_similarity > similarity[rows]
            chosen = rows[nearer]
            similarity[chosen], image[chosen] = found_similarity[nearer], k
            corner[chosen] = found_corner[nearer]
    used = mirroring[np.arange(count), image].astype(np.int64)
    heights, widths = (np.array([pixels.shape[axis] for pixels in among]) for axis in (0, 1))
    return NearestCrops(
        similarity=similarity,
        image=image,
        top=np.where(used & _UP_DOWN, heights[image] - IMAGE_SIZE - corner[:, 0], corner[:, 0]),
        left=np.where(used & _LEFT_RIGHT, widths[image] - IMAGE_SIZE - corner[:, 1], corner[:, 1]),
        mirroring=used,
        by_image=by_image,
        crops=count_crops(among),
    )


def count_crops(among: Sequence[np.ndarray]) -> int:
    """Return how many crops images have: places times mirrorings."""
    places = sum(
        (pixels.shape[0] - IMAGE_SIZE + 1) * (pixels.shape[1] - IMAGE_SIZE + 1) for pixels in among
    )
    return int(len(MIRRORINGS) * places)


def structure(pixels: np.ndarray) -> np.ndarray:
    """Return what of an image is compared, without its margin: float32 (H - 16, W - 16), of local power 1.

    Args:
        pixels: uint8 grey levels (H, W).
    """
    grey = pixels.astype(np.float32)
    band = gaussian_filter(grey, FINEST) - gaussian_filter(grey, LONGEST)
    contrast = np.sqrt(gaussian_filter(band * band, _AROUND) + _LEAST_CONTRAST**2)
    inside: np.ndarray = (band / contrast)[EDGE:-EDGE, EDGE:-EDGE]
    return inside


def mirrored(pixels: np.ndarray, mirroring: int) -> np.ndarray:
    """Return an image mirrored in one of the `MIRRORINGS`, given by its place among them."""
    if mirroring & _LEFT_RIGHT:
        pixels = pixels[:, ::-1]
    return pixels[::-1] if mirroring & _UP_DOWN else pixels


class _CoarseSearch:
    """Finds the nearest window of one image, mirrored either way, at reduced resolution."""

    def __init__(self, pixels: np.ndarray) -> None:
        whole = structure(pixels)
        views = np.stack([_reduced(mirrored(whole, k)) for k in range(len(MIRRORINGS))])
        self._inverse_norms = np.stack([_inverse_norms(view, _WINDOW // _REDUCTION) for view in views])
        # A window that fits into the image meets no wrapped-around pixel: the image needs no padding.
        self._shape = [fft.next_fast_len(size, real=True) for size in views.shape[1:]]
        self._spectra = fft.rfft2(views, s=self._shape)

    def __call__(self, windows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the best similarity of each window, its place (row, column) and its mirroring."""
        height, width = self._inverse_norms.shape[1:]
        own = np.conj(fft.rfft2(windows, s=self._shape))
        found = np.empty((len(MIRRORINGS), len(windows)), dtype=np.float32)
        at = np.empty((len(MIRRORINGS), len(windows)), dtype=np.int64)
        for k, spectrum in enumerate(self._spectra):
            products = fft.irfft2(own * spectrum, s=self._shape)[:, :height, :width]
            similarities = (products * self._inverse_norms[k]).reshape(len(windows), -1)
            at[k] = similarities.argmax(axis=1)
            found[k] = np.take_along_axis(similarities, at[k, :, None], axis=1)[:, 0]
        best = found.argmax(axis=0)
        each = np.arange(len(windows))
        return found[best, each], np.stack(np.divmod(at[best, each], width), axis=1), best


def _refine(
    windows: np.ndarray, pixels: np.ndarray, mirroring: np.ndarray, places: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the best similarity of each window near its coarse place, and where: (n,), (n, 2)."""
    similarity = np.empty(len(windows))
    corner = np.empty((len(windows), 2), dtype=np.int64)
    whole = structure(pixels)
    for k in np.unique(mirroring):
        view = np.ascontiguousarray(mirrored(whole, int(k)))
        inverse_norms = _inverse_norms(view, _WINDOW)
        every = np.lib.stride_tricks.sliding_window_view(view, (_WINDOW, _WINDOW))
        for row in np.flatnonzero(mirroring == k):
            top, left = np.maximum(_REDUCTION * places[row].astype(np.int64) - _REDUCTION, 0)
            near = slice(top, top + 2 * _REDUCTION + 1), slice(left, left + 2 * _REDUCTION + 1)
            similarities = np.einsum("abij,ij->ab", every[near], windows[row]) * inverse_norms[near]
            best = np.unravel_index(similarities.argmax(), similarities.shape)
            similarity[row] = similarities[best]
            corner[row] = top + best[0], left + best[1]
    return similarity, corner


def _reduced(pixels: np.ndarray) -> np.ndarray:
    """Return an image at a share of its resolution; what does not fill a last row or column is left out."""
    height, width = (size // _REDUCTION * _REDUCTION for size in pixels.shape)
    blocks = pixels[:height, :width].reshape(height // _REDUCTION, _REDUCTION, -1, _REDUCTION)
    reduced: np.ndarray = blocks.mean(axis=(1, 3))
    return reduced


def _unit(window: np.ndarray) -> np.ndarray:
    """Return a window scaled to a norm of 1, or less where it holds almost nothing."""
    power = float((window.astype(np.float64) ** 2).sum())
    scaled: np.ndarray = (window / np.sqrt(max(power, _LEAST_POWER * window.size))).astype(np.float32)
    return scaled


def _inverse_norms(pixels: np.ndarray, size: int) -> np.ndarray:
    """Return one over the norm of every square window of an image, float32."""
    sums = np.pad(pixels.astype(np.float64) ** 2, ((1, 0), (1, 0))).cumsum(axis=0).cumsum(axis=1)
    power = sums[size:, size:] - sums[:-size, size:] - sums[size:, :-size] + sums[:-size, :-size]
    inverse: np.ndarray = (1.0 / np.sqrt(np.maximum(power, _LEAST_POWER * size**2))).astype(np.float32)
    return inverse
