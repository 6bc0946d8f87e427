"""COCO, read by pycocotools."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from documentation import snippet
from layout_batches import SEED, START, Made
from PIL import Image
from pycocotools.coco import COCO
from scipy import ndimage

from endotwin.image_range import BATCH
from endotwin.samples.sample import sample_name


def check(loaded: COCO, folder: Path, made: Made, labels: set[str]) -> list[int]:
    """Check the images of a part, and return their indices."""
    for index, image in loaded.imgs.items():
        label = made.labels[index - START]
        assert image["file_name"] == f"{sample_name(SEED, index)}.png"
        with Image.open(folder / image["file_name"]) as pixels:
            assert np.array_equal(np.asarray(pixels), made.images[index - START])
        if "parameters" in labels:
            assert image["measured"] == asdict(label.measured)
            assert image["asked"] == asdict(label.asked)
        annotations = loaded.loadAnns(loaded.getAnnIds([index]))
        cells, guttae = np.zeros_like(label.instances), np.zeros_like(label.guttae)
        for number, annotation in enumerate(annotations, 1):
            mask = loaded.annToMask(annotation) > 0
            assert annotation["area"] == mask.sum()
            rows, columns = np.nonzero(mask)
            x, y, width, height = annotation["bbox"]
            assert (x, y) == (columns.min(), rows.min())
            assert (x + width, y + height) == (columns.max() + 1, rows.max() + 1)
            if annotation["category_id"] == 1:
                cells[mask] = number
            else:
                guttae[mask] += 1
        assert np.array_equal(cells, label.instances)
        if "guttae" in labels:
            assert np.array_equal(guttae, label.guttae // 255)
            areas = sum(annotation["category_id"] == 2 for annotation in annotations)
            assert areas == ndimage.label(label.guttae)[1]
        else:
            assert not guttae.any()
    return sorted(loaded.imgs)


def test_cells_and_guttae_in_two_parts(write: Callable[..., None], made: Made, tmp_path: Path) -> None:
    write("coco", tmp_path / "set", "guttae", "parameters", validation_every=4)
    indices = {}
    for part in ("train", "validation"):
        loaded = COCO(tmp_path / "set" / "annotations" / f"instances_{part}.json")
        assert [category["name"] for category in loaded.dataset["categories"]] == ["cell", "guttae"]
        assert loaded.dataset["info"]["endotwin"]["conditions"] == {"guttae": "0.1:0.2"}
        assert sorted(loaded.anns) == list(range(1, len(loaded.anns) + 1))  # 0 would never match
        indices[part] = check(loaded, tmp_path / "set" / part, made, {"guttae", "parameters"})
    everything = range(START, START + BATCH)
    assert indices["validation"] == [index for index in everything if index % 4 == 3]
    assert indices["train"] == [index for index in everything if index % 4 != 3]
    names = {path.name for path in (tmp_path / "set" / "annotations").iterdir()}
    assert names == {"instances_train.json", "instances_validation.json"}


def test_only_cells_and_no_validation_images(
    write: Callable[..., None], made: Made, tmp_path: Path
) -> None:
    write("coco", tmp_path / "set", "instances")
    loaded = COCO(tmp_path / "set" / "annotations" / "instances_train.json")
    assert check(loaded, tmp_path / "set" / "train", made, set()) == list(range(START, START + BATCH))
    assert "measured" not in loaded.imgs[START]
    assert {path.name for path in (tmp_path / "set").iterdir()} == {"annotations", "train"}


def test_the_documented_lines(
    write: Callable[..., None], made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("coco", tmp_path / "coco", validation_every=4)
    monkeypatch.chdir(tmp_path)
    names = snippet("CocoDetection")
    label = made.labels[0]
    assert np.array_equal(np.asarray(names["image"].convert("L")), made.images[0])
    assert names["masks"].shape == (label.instances.max(), 128, 128)
    assert np.array_equal(names["masks"].sum(axis=0), label.instances > 0)
    assert names["density"] == label.measured.density
