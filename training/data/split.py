"""Read folders of grey images and split them by image into training and held-out images."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np
from PIL import Image
from pydantic import ConfigDict, Field

from endotwin.generator.card import Source
from endotwin.image_range import IMAGE_SIZE
from endotwin.image_reading import DataError, LeftOut, find_image_files, read_grey
from training.data.annotated_box import AnnotatedBox, move_box, read_annotated_box


@dataclass(frozen=True)
class ImageFolder:
    """A folder of images and how it is used: an entry of a sources file, under the same names.

    Attributes:
        path: the folder; a subfolder `images` is used instead if there is one.
        weight: its share of the crops, relative to the other folders.
        region: the part of every image that is used (left, top, right, bottom as shares of the size), to
            leave out what a microscope burns into a corner.
        citation: where the images come from.
        terms: their terms of use.
        annotated: use only images in which an expert has drawn cells, and of them only the box around the
            cells (see `training.data.annotated_box`). The split is the one of all images.
        keep_folders_together: images of one subfolder, as of one patient, stay on one side of the split.
        interlaced: whether the instrument shows the two fields of interlaced video.
        spacing: median distance in pixels between the centres of neighbouring cells, and the standard
            deviation of its natural logarithm over images. A labelled network has cells of these sizes
            where they are compared with the folder's images.
        clarity: median in grey levels (docs/mosaic.md), and the standard deviation of its natural logarithm
            over images.
        centres: folder of the same images before curation (`images/`) and of the centres of the cells that
            a reader counted (`centres/`); the trial scores on the images held out.
    """

    __pydantic_config__: ClassVar = ConfigDict(extra="forbid")

    path: Path
    weight: Annotated[float, Field(gt=0)] = 1.0
    region: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    citation: str = ""
    terms: str = "not stated"
    annotated: bool = False
    keep_folders_together: bool = False
    interlaced: bool = True
    spacing: tuple[float, float] = (24.0, 0.2)
    clarity: tuple[float, float] = (15.5, 0.35)
    centres: Path | None = None

    @property
    def name(self) -> str:
        """Name of the source: the folder's own name, or its parent's for a folder called `images`."""
        path = self.path.resolve()
        return path.parent.name if path.name == "images" else path.name


@dataclass(frozen=True)
class GreyImage:
    """One usable image.

    Attributes:
        pixels: uint8 grey levels (height, width).
        source: name of its folder.
        file: its name.
        weight: its share of the crops.
        box: the box around the cells that an expert drew; None if there are none or nobody asks.
        group: the subfolder it is in; images of a group are split together where that is asked.
    """

    pixels: np.ndarray
    source: str
    file: str
    weight: float
    box: AnnotatedBox | None = None
    group: str = ""


@dataclass(frozen=True)
class Dataset:
    """Images to train on, images held out, and what was left out."""

    training: list[GreyImage]
    held_out: list[GreyImage]
    left_out: list[LeftOut]
    sources: tuple[Source, ...]
    crop_size: int
    max_upscale: float
    split_seed: int
    validation_share: float
    digest: str = field(repr=False)

    def crops_per_epoch(self) -> int:
        """Crops that would tile the training images once: the unit in which epochs are counted."""
        area = sum(image.pixels.size for image in self.training)
        return max(1, round(area / self.crop_size**2))


def load_dataset(
    folders: Sequence[ImageFolder],
    *,
    crop_size: int = IMAGE_SIZE,
    max_upscale: float = 1.0,
    validation_share: float = 0.2,
    split_seed: int = 0,
) -> Dataset:
    """Read every image of the folders (and of their subfolders) and split them by image.

    The split depends on the images' contents, not on their names or order: an image does not change sides
    when it is renamed, and identical copies stay together, also across folders. The share is met as
    closely as whole images allow, so images that are added can push others over the boundary; such a data
    set has another digest.

    Args:
        folders: each with at least one usable image; a subfolder `images` is used if there is one.
        crop_size: side of a crop in pixels.
        max_upscale: an image smaller than a crop is enlarged by up to this factor, or left out.
        validation_share: share of the images held out, 0 (none) to below 1.
        split_seed: another seed makes another split.

    Raises:
        DataError: a folder does not exist or has no usable image (the message lists what was left out), or
            a number is out of range.
    """
    if not 0 <= validation_share < 1:
        raise DataError(f"the validation share must be from 0 to below 1, got {validation_share}")
    if not 1 <= max_upscale < math.inf:
        raise DataError(f"the largest enlargement must be a number from 1 up, got {max_upscale}")
    names = [folder.name for folder in folders]
    if len(set(names)) != len(names):
        raise DataError(
            f"two folders have the same name ({', '.join(names)}): a card lists sources by name"
        )
    read = []
    held_ranks: set[str] = set()
    for folder in folders:
        usable, unusable = _read_folder(folder, crop_size, max_upscale)
        ranked = sorted(
            ((_split_rank(image, split_seed), image) for image in usable), key=lambda pair: pair[0]
        )
        limit = round(validation_share * len(ranked))
        if validation_share > 0 and len(ranked) > 1:
            limit = max(limit, 1)
        if folder.keep_folders_together:
            held_ranks |= _held_groups(ranked, limit, split_seed)
        else:
            held_ranks |= {rank for rank, _ in ranked[:limit]}
        read.append((folder, ranked, unusable))

    training: list[GreyImage] = []
    held_out: list[GreyImage] = []
    left_out: list[LeftOut] = []
    sources: list[Source] = []
    digests: list[str] = []
    for folder, ranked, unusable in read:
        held = [image for rank, image in ranked if rank in held_ranks]
        kept = [image for rank, image in ranked if rank not in held_ranks]
        if folder.annotated:
            held, kept = _inside_boxes(held), _inside_boxes(kept)
        if not kept:
            raise DataError(
                f"{folder.path}: {len(ranked)} usable image(s) leave none to train on beside a validation "
                f"share of {validation_share}; use a smaller share"
            )
        held_out += _weighted(held, folder.weight)
        training += _weighted(kept, folder.weight)
        left_out += unusable
        sources.append(
            Source(
                name=folder.name,
                images=len(kept),
                held_out=len(held),
                left_out=len(unusable),
                weight=folder.weight,
                region=folder.region,
                citation=folder.citation,
                terms=folder.terms,
                annotated=folder.annotated,
                keep_folders_together=folder.keep_folders_together,
            )
        )
        digests += [_content(image) for image in held + kept]
    return Dataset(
        training=training,
        held_out=held_out,
        left_out=left_out,
        sources=tuple(sources),
        crop_size=crop_size,
        max_upscale=max_upscale,
        split_seed=split_seed,
        validation_share=validation_share,
        digest=hashlib.sha256("\n".join(sorted(digests)).encode()).hexdigest(),
    )


def _read_folder(
    folder: ImageFolder, crop_size: int, max_upscale: float
) -> tuple[list[GreyImage], list[LeftOut]]:
    path = folder.path
    if not path.is_dir():
        raise DataError(f"{path}: no such folder")
    if not 0 < folder.weight < math.inf:
        raise DataError(f"{path}: its weight must be a number above 0, got {folder.weight}")
    left, top, right, bottom = folder.region
    if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
        raise DataError(
            f"{path}: a region is left, top, right, bottom as shares from 0 to 1, got {folder.region}"
        )
    root = path / "images" if (path / "images").is_dir() else path
    usable: list[GreyImage] = []
    files, unusable = find_image_files(root)
    for file in files:
        try:
            pixels = read_grey(file)
            height, width = pixels.shape
            corner = int(top * height), int(left * width)
            cut = pixels[corner[0] : int(bottom * height), corner[1] : int(right * width)]
            pixels = _enlarge(cut, file, crop_size, max_upscale)
            box = _find_box(file, corner, cut, pixels, crop_size) if folder.annotated else None
        except DataError as error:
            unusable.append(LeftOut(file, str(error)))
            continue
        group = file.parent.relative_to(root).as_posix()
        usable.append(GreyImage(pixels, folder.name, file.name, weight=1.0, box=box, group=group))
    if not usable:
        reasons = "".join(f"\n  {item.reason}" for item in unusable[:10])
        raise DataError(f"{root}: no usable image ({len(unusable)} file(s) left out){reasons}")
    return usable, unusable


def _held_groups(ranked: list[tuple[str, GreyImage]], limit: int, seed: int) -> set[str]:
    """Return the ranks of the images of whole groups, as nearly `limit` images as groups allow."""
    groups: dict[str, list[str]] = {}
    for rank, image in ranked:
        groups.setdefault(image.group, []).append(rank)
    held: set[str] = set()
    # By contents: a folder that is renamed does not change sides.
    for ranks in sorted(groups.values(), key=lambda ranks: _hash(f"{seed} {' '.join(ranks)}")):
        if abs(len(held) + len(ranks) - limit) <= limit - len(held):
            held |= set(ranks)
    return held


def _find_box(
    file: Path, corner: tuple[int, int], cut: np.ndarray, pixels: np.ndarray, crop_size: int
) -> AnnotatedBox | None:
    try:
        box = read_annotated_box(file)
    except OSError as error:
        raise DataError(f"{file}: its instance map in `cells` cannot be read ({error})") from error
    if box is None:
        return None
    factor = pixels.shape[0] / cut.shape[0]
    return move_box(box, corner, factor, (pixels.shape[0], pixels.shape[1]), crop_size)


def _inside_boxes(images: list[GreyImage]) -> list[GreyImage]:
    """Return the images in which cells are drawn, each cut to its box."""
    return [
        replace(image, pixels=image.pixels[image.box[0] : image.box[2], image.box[1] : image.box[3]])
        for image in images
        if image.box is not None
    ]


def _weighted(images: list[GreyImage], weight: float) -> list[GreyImage]:
    """Share a folder's weight among its images by area, so that every place in it is equally likely."""
    area = sum(image.pixels.size for image in images)
    return [replace(image, weight=weight * image.pixels.size / area) for image in images]


def _enlarge(pixels: np.ndarray, file: Path, crop_size: int, max_upscale: float) -> np.ndarray:
    height, width = pixels.shape
    if min(height, width) == 0:
        raise DataError(f"{file}: nothing of it lies in the region that is used")
    factor = crop_size / min(height, width)
    if factor <= 1.0:
        return pixels
    if factor > max_upscale:
        raise DataError(
            f"{file}: {width} × {height} pixels, smaller than the {crop_size} × {crop_size} crop "
            f"(enlarging by {factor:.2f} would fit it; allowed: {max_upscale:g})"
        )
    size = (max(crop_size, round(width * factor)), max(crop_size, round(height * factor)))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC))


def _content(image: GreyImage) -> str:
    header = f"{image.pixels.shape[0]} {image.pixels.shape[1]} ".encode()
    return hashlib.sha256(header + image.pixels.tobytes()).hexdigest()


def _split_rank(image: GreyImage, seed: int) -> str:
    return _hash(f"{seed} {_content(image)}")


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
