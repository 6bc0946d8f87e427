"""Read images and labels back from the folders of all layouts, to look at them."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from endotwin.samples.labelling import IMAGE_LABELS
from endotwin.samples.layouts import coco, nnunet, yolo_seg
from endotwin.samples.layouts.masks import LABEL_FOLDERS
from endotwin.samples.layouts.outlines import fill_outlines
from endotwin.samples.reading import Picture, read_grey, read_pixels

_PARTS = ("train", "validation")


def read_layout(folder: Path) -> Iterator[Picture] | None:
    """Return the pictures of a layout, images for training first, in order of names; None if it is none.

    Raises:
        one of `endotwin.samples.reading.UNREADABLE`: on iteration, if something there is damaged.
    """
    for is_at, read in _READERS:
        if is_at(folder):
            return read(folder)
    return None


def _read_nnunet(folder: Path) -> Iterator[Picture]:
    numbers = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))["labels"]
    for part in ("Tr", "Ts"):
        for path in sorted((folder / f"images{part}").glob("*_0000.png")):
            classes = folder / f"labels{part}" / path.name.replace("_0000.png", ".png")
            labels = {"borders": partial(_class_pixels, classes, nnunet.BORDER)}
            if "guttae" in numbers:
                labels["guttae"] = partial(_class_pixels, classes, nnunet.GUTTAE)
            if "ignore" in numbers:
                labels["visible"] = partial(_class_pixels, classes, 0, nnunet.BORDER)
            yield _picture(path, validation=part == "Ts", **labels)


def _read_folders(folder: Path) -> Iterator[Picture]:
    """Read masks and imagefolder: an image and its labels have one name in folders side by side."""
    for part in (folder, *(folder / name for name in _PARTS)):
        for path in sorted((part / "images").glob("*.png")):
            labels = {}
            for label in IMAGE_LABELS:
                for name in (label, LABEL_FOLDERS.get(label, label)):
                    if (part / name / path.name).is_file():
                        labels[label] = partial(_pixels, part / name / path.name)
            yield _picture(path, validation=part.name == "validation" and part != folder, **labels)


def _read_coco(folder: Path) -> Iterator[Picture]:
    for part in _PARTS:
        path = folder / "annotations" / f"instances_{part}.json"
        if not path.is_file():
            continue
        content = json.loads(path.read_text(encoding="utf-8"))
        outlines: dict[int, dict[int, list[list[np.ndarray]]]] = defaultdict(lambda: defaultdict(list))
        for annotation in content["annotations"]:
            polygons = [np.array(values).reshape(-1, 2) for values in annotation["segmentation"]]
            outlines[annotation["image_id"]][annotation["category_id"]].append(polygons)
        kinds = {category["id"] for category in content["categories"]}
        for entry in content["images"]:
            there = outlines[entry["id"]]
            yield _outlined(
                folder / part / entry["file_name"],
                there[coco.CELL],
                there[coco.GUTTAE] if coco.GUTTAE in kinds else None,
                validation=part == "validation",
            )


def _read_yolo_seg(folder: Path) -> Iterator[Picture]:
    has_guttae = f"\n  {yolo_seg.GUTTAE}: " in (folder / "data.yaml").read_text(encoding="utf-8")
    for part in _PARTS:
        for path in sorted((folder / "images" / part).glob("*.png")):
            outlines: dict[int, list[list[np.ndarray]]] = defaultdict(list)
            size = read_grey(path.read_bytes(), path.name).shape[::-1]
            for line in (
                (folder / "labels" / part / f"{path.stem}.txt").read_text(encoding="ascii").splitlines()
            ):
                kind, *values = line.split()
                outlines[int(kind)].append([np.array(values, dtype=float).reshape(-1, 2) * size])
            guttae = outlines[yolo_seg.GUTTAE] if has_guttae else None
            yield _outlined(path, outlines[yolo_seg.CELL], guttae, validation=part == "validation")


def _read_cellpose(folder: Path) -> Iterator[Picture]:
    for part in ("train", "test"):
        for path in sorted((folder / part).glob("*_masks.png")):
            image = path.with_name(path.name.replace("_masks.png", ".png"))
            yield _picture(image, validation=part == "test", instances=partial(_pixels, path))


_READERS: tuple[tuple[Callable[[Path], bool], Callable[[Path], Iterator[Picture]]], ...] = (
    (lambda folder: (folder / "imagesTr").is_dir(), _read_nnunet),
    (lambda folder: any((folder / "annotations").glob("instances_*.json")), _read_coco),
    (lambda folder: (folder / "data.yaml").is_file(), _read_yolo_seg),
    (lambda folder: any((folder / "train").glob("*_masks.png")), _read_cellpose),
    (lambda folder: any((part / "images").is_dir() for part in (folder, folder / "train")), _read_folders),
)
"""How each layout is recognised, and what reads it."""


def _picture(path: Path, *, validation: bool, **labels: Callable[[], np.ndarray]) -> Picture:
    return Picture(read_grey(path.read_bytes(), path.name), labels, validation)


def _pixels(path: Path) -> np.ndarray:
    return read_pixels(path.read_bytes(), path.name)


def _class_pixels(path: Path, *numbers: int) -> np.ndarray:
    return np.where(np.isin(_pixels(path), numbers), np.uint8(255), np.uint8(0))


def _outlined(
    path: Path,
    cells: Iterable[list[np.ndarray]],
    guttae: Iterable[list[np.ndarray]] | None,
    *,
    validation: bool,
) -> Picture:
    """Return the picture of an image with outlines: a list of polygons for each cell or area of guttae."""
    image = read_grey(path.read_bytes(), path.name)

    def fill_cells() -> np.ndarray:
        numbers = np.zeros(image.shape, dtype=np.uint16)
        for number, polygons in enumerate(cells, 1):
            numbers[fill_outlines(polygons, image.shape)] = number
        return numbers

    def fill_guttae(areas: Iterable[list[np.ndarray]]) -> np.ndarray:
        covered = np.zeros(image.shape, dtype=np.uint8)
        for polygons in areas:
            covered[fill_outlines(polygons, image.shape)] = 255
        return covered

    labels: dict[str, Callable[[], np.ndarray]] = {"instances": fill_cells}
    if guttae is not None:
        labels["guttae"] = partial(fill_guttae, guttae)
    return Picture(image, labels, validation)
