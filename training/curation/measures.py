"""What an image's field is like, in numbers: each closed-form, each for one check."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from skimage.measure import blur_effect

from training.curation.clean_field import COLOURED
from training.curation.cut_parts import blurred
from training.curation.image_files import DecodedImage
from training.curation.visible_cells import visible_share

WORKING_SIDE = 1_024
"""Images are reduced by a whole factor until no side is longer, before anything is measured."""

_SATURATED = 250
_STEP = 4
"""Local statistics vary slowly: they are taken on every fourth pixel."""


@dataclass(frozen=True)
class ImageMeasures:
    """Of the whole image.

    Attributes:
        side: its shorter side in pixels.
        lightest_tenth: the level that 90 % of the pixels stay below.
        range: levels between the 1st and the 99th percentile.
        colour: share of coloured pixels.
    """

    side: float
    lightest_tenth: float
    range: float
    colour: float


@dataclass(frozen=True)
class FieldMeasures:
    """Of the clean field.

    Attributes:
        coherence: 0 edges in all directions to 1 edges in one, within about two cells; median.
        sparseness: excess kurtosis of the structure of the size of cells, at equal local strength.
        contrast: strength of that structure relative to the brightness; median.
        visible: share of the field in which cells can be seen.
        blur: 0 sharp to 1; chooses among copies.
        brightness: mean level.
        saturated: share of pixels at level 250 or above, bands included.
    """

    coherence: float
    sparseness: float
    contrast: float
    visible: float
    blur: float
    brightness: float
    saturated: float


def reduced(picture: DecodedImage) -> tuple[DecodedImage, int]:
    """Reduce a large image by a whole factor, so that no side is longer than `WORKING_SIDE`."""
    height, width = picture.grey.shape
    factor = -(-max(height, width) // WORKING_SIDE)
    if factor == 1:
        return picture, 1
    size = (max(1, width // factor), max(1, height // factor))

    def reduce(pixels: np.ndarray) -> np.ndarray:
        cropped = pixels[: size[1] * factor, : size[0] * factor]
        small: np.ndarray = cv2.resize(cropped, size, interpolation=cv2.INTER_AREA)
        return small

    chroma = None if picture.chroma is None else reduce(picture.chroma)
    return DecodedImage(reduce(picture.grey), chroma), factor


def measure_whole(picture: DecodedImage, side: int) -> ImageMeasures:
    """Measure a whole image.

    Args:
        picture: as `reduced`.
        side: shorter side of the image before it was reduced.
    """
    darkest, lightest_tenth, lightest = np.percentile(picture.grey, (1, 90, 99))
    return ImageMeasures(
        side=float(side),
        lightest_tenth=float(lightest_tenth),
        range=float(lightest - darkest),
        colour=0.0 if picture.chroma is None else float((picture.chroma > COLOURED).mean()),
    )


def measure_field(grey: np.ndarray, with_bands: np.ndarray | None = None) -> FieldMeasures:
    """Measure a clean field.

    Args:
        grey: uint8 (height, width), at least 16 pixels a side.
        with_bands: the field before saturated bands were cut off; None if none were.
    """
    levels = grey.astype(np.float32)
    cells = blurred(levels, 2) - blurred(levels, 8)
    strength = np.sqrt(_local_mean(cells * cells))
    brightness = _local_mean(levels)
    rows, columns = strength.shape
    even = cells[: rows * _STEP : _STEP, : columns * _STEP : _STEP] / (strength + 0.5)
    return FieldMeasures(
        coherence=_coherence(cells),
        sparseness=_excess_kurtosis(even),
        contrast=float(np.median(strength / (brightness + 5))),
        visible=visible_share(grey),
        blur=float(blur_effect(grey)),  # type: ignore[no-untyped-call]
        brightness=float(levels.mean()),
        saturated=float(((grey if with_bands is None else with_bands) >= _SATURATED).mean()),
    )


def _coherence(cells: np.ndarray) -> float:
    across = cv2.Sobel(cells, cv2.CV_32F, 1, 0, scale=1 / 8, borderType=cv2.BORDER_REFLECT)
    down = cv2.Sobel(cells, cv2.CV_32F, 0, 1, scale=1 / 8, borderType=cv2.BORDER_REFLECT)
    xx, yy, xy = (_local_mean(product) for product in (across * across, down * down, across * down))
    energy = xx + yy
    coherent = np.sqrt((xx - yy) ** 2 + 4 * xy**2)
    active = energy > 0.1 * np.median(energy)
    return float(np.median(coherent[active] / (energy[active] + 0.05))) if active.any() else 0.0


def _excess_kurtosis(values: np.ndarray) -> float:
    centred = values - values.mean()
    variance = float((centred**2).mean())
    return float((centred**4).mean()) / variance**2 - 3.0 if variance > 0 else 0.0


def _local_mean(levels: np.ndarray) -> np.ndarray:
    """Average over a Gaussian of 14 pixels, on every fourth pixel."""
    height, width = levels.shape
    rows, columns = height // _STEP, width // _STEP
    whole = levels[: rows * _STEP, : columns * _STEP]
    return blurred(cv2.resize(whole, (columns, rows), interpolation=cv2.INTER_AREA), 14 / _STEP)
