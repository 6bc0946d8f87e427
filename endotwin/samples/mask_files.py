"""Masks in files: PNG or TIFF, as other tools write them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
from PIL import Image

from endotwin.image_range import IMAGE_SIZE
from endotwin.mosaic.own_masks import (
    BorderColour,
    CellMask,
    MaskError,
    read_borders,
    read_instances,
    wrong_size,
)

_SUFFIXES = {".png", ".tif", ".tiff"}
_FORMATS = ("PNG", "TIFF")
_LISTED = 5
_LOSSY = {".jpg", ".jpeg", ".webp"}


class MaskKind(StrEnum):
    """What the numbers of a mask are."""

    BORDERS = "borders"
    INSTANCES = "instances"


class MaskFileError(ValueError):
    """Files of masks cannot be used; the message names one and says why."""


@dataclass(frozen=True)
class MaskFile:
    """A file that holds a mask which can be used.

    Attributes:
        path: of the file.
        kind: of mask.
        colour: of borders.
        index: of the mask's images, see `CellMask.index`.
    """

    path: Path
    kind: MaskKind
    colour: BorderColour
    index: int

    @property
    def name(self) -> str:
        """Name of the file without its suffix."""
        return self.path.stem

    def read(self) -> CellMask:
        """Read the mask again: those of a large folder are not all in memory.

        Raises:
            MaskFileError: the file has changed, and cannot be used any more.
            OSError: it cannot be read.
        """
        try:
            return _read(self.path, self.kind, self.colour)
        except MaskError as error:
            raise MaskFileError(f"{self.path}: {error}") from error


def find_masks(
    place: Path,
    kind: MaskKind,
    colour: BorderColour = BorderColour.AUTO,
    before_each: Callable[[], None] = lambda: None,
) -> list[MaskFile]:
    """Return the masks of a folder, in order of their names, or that of one file; each is read once.

    Args:
        place: a folder, of which the files directly in it count, or a file.
        kind: of the masks.
        colour: of borders.
        before_each: is called before each file.

    Raises:
        MaskFileError: there is none, some cannot be used, or two have one name.
        OSError: the folder or a file cannot be read.
    """
    paths = [place] if place.is_file() else sorted(_files(place), key=lambda path: path.name)
    if not paths:
        raise MaskFileError(f"{place} holds no PNG or TIFF file")
    seen: dict[str, Path] = {}
    for path in paths:
        before = seen.setdefault(path.stem, path)
        if before is not path:
            raise MaskFileError(f"{before} and {path.name} have one name; images are named by it")
    masks, wrong = [], []
    for path in paths:
        before_each()
        try:
            masks.append(MaskFile(path, kind, colour, _read(path, kind, colour).index))
        except MaskError as error:
            wrong.append((path, error))
    if wrong:
        names = [path.name for path, _ in wrong[1:]]
        listed = ", ".join(names[:_LISTED]) + (" …" if len(names) > _LISTED else "")
        more = f"; {len(names)} more cannot be used: {listed}" if names else ""
        raise MaskFileError(f"{wrong[0][0]}: {wrong[0][1]}{more}")
    return masks


def _files(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        suffix = path.suffix.lower()
        if path.name.startswith(".") or not path.is_file():
            continue
        if suffix in _LOSSY:
            raise MaskFileError(f"{path}: {suffix} blurs masks; save them as PNG")
        if suffix in _SUFFIXES:
            yield path


def _read(path: Path, kind: MaskKind, colour: BorderColour) -> CellMask:
    pixels = _pixels(path, kind)
    return read_borders(pixels, colour) if kind is MaskKind.BORDERS else read_instances(pixels)


def _pixels(path: Path, kind: MaskKind) -> np.ndarray:
    """Return the numbers of a mask, (H, W); of a palette, its indices in an instance map.

    Raises:
        MaskError: the file is damaged, has more than one page, or is in colour.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        try:
            with Image.open(file, formats=_FORMATS) as image:
                if image.size != (IMAGE_SIZE, IMAGE_SIZE):  # before it is decoded: it may be huge
                    raise wrong_size(image.size)
                if getattr(image, "n_frames", 1) > 1:
                    raise MaskError("it has several pages; a mask has one")
                if image.mode == "P" and kind is MaskKind.BORDERS:
                    return _grey(np.asarray(image.convert("RGB")))
                return _grey(np.asarray(image))
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            if isinstance(error, MaskError):
                raise
            raise MaskError("it is damaged or neither PNG nor TIFF") from error


def _grey(pixels: np.ndarray) -> np.ndarray:
    """Return the numbers of a grey mask that may be saved in colour or with opacity."""
    if pixels.ndim == 2:
        return pixels
    channels = pixels.shape[2]
    colours, opacity = (
        (pixels[..., :-1], pixels[..., -1:]) if channels in (2, 4) else (pixels, pixels[..., :0])
    )
    if opacity.size and opacity.min() != opacity.max():
        raise MaskError("it is transparent in places; save it without an alpha channel")
    if (colours != colours[..., :1]).any():
        raise MaskError("it is in colour; a mask has grey levels or numbers of cells")
    return np.asarray(colours[..., 0])
