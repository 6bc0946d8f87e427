"""A raw collection with planted faults, made from the real images; what became of each file is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from dicom_files import write_dicom
from PIL import Image, ImageDraw, ImageFont
from planted_pictures import (
    all_at_once,
    brightness_changed,
    export_screen,
    fundus,
    logo,
    real_fundus,
    recropped,
    report_page,
    rescaled,
    rotated,
    slit_lamp,
    to_levels,
)
from scipy import ndimage

from training.curation.clean_field import Box

KEPT = "kept"


@dataclass(frozen=True)
class Planted:
    """A file of the collection.

    Attributes:
        path: the file.
        decision: `kept`, or the reason it should be dropped for.
        kind: what was done to it.
        group: files of one group show the same cells: one is kept, whichever; the others are duplicates.
        field: where the picture lies in the file, if something was put around it.
    """

    path: Path
    decision: str
    kind: str
    group: str
    field: Box | None = None


class Collection:
    """Builds a collection below a folder.

    Good images: all of cwru, the upper halves of gavet, strip and some of confocal. Faults are planted into
    the lower halves of gavet and other confocal images, which appear in no other way; duplicates are made
    of good images, exports with panels of good ones that are not there themselves.
    """

    def __init__(self, folder: Path, real_data: Path, seed: int, count: int = 30) -> None:
        self.folder = folder
        self.count = count
        self.planted: list[Planted] = []
        self._real = real_data
        self._rng = np.random.default_rng(seed)

    def build(self) -> list[Planted]:
        """Write all files and return them."""
        gavet = [image for _, image in self._images("gavet")]
        middles = [len(image) // 2 for image in gavet]
        upper = [image[:middle] for image, middle in zip(gavet, middles, strict=True)]
        lower = [image[middle:] for image, middle in zip(gavet, middles, strict=True)]
        confocal = [image for _, image in self._images("confocal")]
        good = [*upper, *confocal[:10]]
        bases = [*lower, *confocal[10:20]]
        for name, image in self._images("cwru"):
            self._save(image, KEPT, f"cwru {name}")
        for k, image in enumerate(good):
            self._save(image, KEPT, f"good {k}")
        for name, image in self._images("strip"):
            self._save(image, KEPT, f"strip {name}")
        self._exports(confocal[20:])
        sources = [(f"good {k}", image) for k, image in enumerate(good)]
        sources += [(f"cwru {name}", image) for name, image in self._images("cwru")]
        self._exact_duplicates()
        self._near_duplicates(sources)
        for k in range(self.count):
            base = bases[k % len(bases)]
            self._save(self._blurry(base, k), "blurry", "blurry")
            self._save(self._dark(base, k), "too dark", "dark")
            self._save(self._saturated(base, k), "saturated", "saturated")
            self._save(self._empty(k), "empty", "empty")
            self._unreadable(base, k)
        for draw in (fundus, real_fundus, slit_lamp, report_page, logo):
            for k in range(max(8, self.count // 4)):
                self._save(draw(self._rng, k), "irrelevant", draw.__name__)
        return self.planted

    def _images(self, source: str) -> Iterator[tuple[str, np.ndarray]]:
        for path in sorted((self._real / source / "images").glob("*.png")):
            with Image.open(path) as image:
                yield path.stem, np.asarray(image.convert("L"))

    def _save(
        self, pixels: np.ndarray, decision: str, kind: str, field: Box | None = None, group: str = ""
    ) -> Path:
        """Write pixels in one of the formats of a clinic, below folders with odd names."""
        k = len(self.planted)
        folder = self.folder / ("Müller^Hans 1950", "a b/ c'd", "…/..hidden", "2020-01-01")[k % 4]
        folder.mkdir(parents=True, exist_ok=True)
        image = Image.fromarray(pixels)
        suffix = ("png", "tif", "bmp", "jpg", "dcm", "colour.png")[k % 6]
        path = folder / f"OD {k:04d}.{suffix}"
        if suffix == "dcm" and pixels.ndim == 2:
            # 12 of 16 bits, sometimes with white as 0, as devices write.
            write_dicom(path, pixels, bits=(8, 12, 16)[k % 3], inverted=k % 2 == 0)
        elif suffix == "dcm":
            write_dicom(path, pixels)
        elif suffix == "jpg":
            image.save(path, quality=95)
        elif suffix == "colour.png":
            image.convert("RGB").save(path)
        else:
            image.save(path)
        # Nothing else shows the cells of a bad image, and those of a good one are known by its kind.
        group = group or (kind if decision == KEPT and field is None else f"{kind} {k}")
        self.planted.append(Planted(path, decision, kind, group, field))
        return path

    def _exports(self, images: list[np.ndarray]) -> None:
        for k in range(self.count):
            base = images[k % len(images)]
            # Another part of a base each time it comes round; the parts do not overlap.
            half = base.shape[1] // 2
            if self.count > len(images):
                base = base[:, :half] if k < len(images) else base[:, half:]
            pixels, field = export_screen(self._rng, np.ascontiguousarray(base), k)
            self._save(pixels, KEPT, f"export {k % 4}", field)

    def _exact_duplicates(self) -> None:
        lossless = [item for item in self.planted if item.decision == KEPT and item.path.suffix != ".dcm"]
        for k in range(self.count):
            original = lossless[k % len(lossless)]
            path = self.folder / "copies" / f"copy {k} of.{'png' if k % 2 else 'bin'}"
            path.parent.mkdir(exist_ok=True)
            if k % 2:  # the same pixels in another file
                with Image.open(original.path) as image:
                    image.save(path)
            else:
                path.write_bytes(original.path.read_bytes())
            self.planted.append(Planted(path, "exact duplicate", "copy", original.group))

    def _near_duplicates(self, sources: list[tuple[str, np.ndarray]]) -> None:
        changes: list[Callable[[np.random.Generator, np.ndarray], np.ndarray]] = [
            rescaled,
            recropped,
            brightness_changed,
            rotated,
            all_at_once,
        ]
        for k in range(max(self.count, 8 * (len(changes) + 1))):
            group, source = sources[int(self._rng.integers(len(sources)))]
            choice = k % (len(changes) + 1)
            if choice == len(changes):
                path = self.folder / "copies" / f"resaved {k}.jpg"
                Image.fromarray(source).save(path, quality=int(self._rng.integers(40, 90)))
                self.planted.append(Planted(path, "near duplicate", "resaved", group))
            else:
                change = changes[choice]
                self._save(change(self._rng, source), "near duplicate", change.__name__, group=group)

    def _blurry(self, base: np.ndarray, k: int) -> np.ndarray:
        sigma = (3.0, 4.0, 6.0)[k % 3]
        noise = self._rng.normal(0, 0.7, base.shape)
        return to_levels(ndimage.gaussian_filter(base.astype(float), sigma) + noise)

    def _dark(self, base: np.ndarray, k: int) -> np.ndarray:
        mean = (18.0, 21.0, 24.0)[k % 3]
        return to_levels(base * (mean / base.mean()) + self._rng.normal(0, 0.5, base.shape))

    def _saturated(self, base: np.ndarray, k: int) -> np.ndarray:
        share = (0.42, 0.55, 0.7)[k % 3]
        return to_levels(base * (252.0 / np.quantile(base, 1 - share)))

    def _empty(self, k: int) -> np.ndarray:
        height, width = int(self._rng.integers(150, 500)), int(self._rng.integers(150, 500))
        level = (0.0, 4.0, 8.0, 255.0)[k % 4]
        pixels = to_levels(level + self._rng.normal(0, (0.3, 1.0, 2.0)[k % 3], (height, width)))
        if k % 4 == 1:
            image = Image.fromarray(pixels)
            ImageDraw.Draw(image).text((5, 5), "NO SIGNAL", fill=200, font=ImageFont.load_default(14))
            pixels = np.asarray(image)
        return pixels

    def _unreadable(self, base: np.ndarray, k: int) -> None:
        path = self._save(base, "unreadable", "unreadable")
        data = path.read_bytes()
        if k % 5 == 0:
            path.write_bytes(b"")
        elif k % 5 == 1:
            path.write_bytes(b"Patient: nobody\n" * 40)
        elif k % 5 == 2:
            path.write_bytes(data[: len(data) // 2])
        elif k % 5 == 3:
            path.write_bytes(data[:20] + self._rng.bytes(len(data) - 20))
        else:
            path.unlink()
            path.symlink_to(path.with_name("gone.png"))
