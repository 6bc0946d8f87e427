"""Ultralytics YOLO: what is written, and what Ultralytics itself reads of it where it is installed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from layout_batches import SEED, START, Made
from PIL import Image

from endotwin.image_range import BATCH, IMAGE_SIZE
from endotwin.samples.sample import sample_name

NO_ULTRALYTICS = "ultralytics is not installed (the extra test-layouts brings it)"


def is_validation(i: int) -> bool:
    return (START + i) % 4 == 3


def test_the_files(write: Callable[..., None], made: Made, tmp_path: Path) -> None:
    """Outlines are drawn as Ultralytics draws them: cut to whole pixels, with all that they touch."""
    write("yolo-seg", tmp_path / "set", "guttae", validation_every=4)
    about = yaml.safe_load((tmp_path / "set" / "data.yaml").read_text())
    assert about["names"] == {0: "cell", 1: "guttae"}
    assert about["endotwin"]["conditions"] == {"guttae": "0.1:0.2"}
    for i, (image, label) in enumerate(zip(made.images, made.labels, strict=True)):
        part = about["val" if is_validation(i) else "train"]
        path = tmp_path / "set" / part / f"{sample_name(SEED, START + i)}.png"
        with Image.open(path) as pixels:
            assert np.array_equal(np.asarray(pixels), image)
        cells, guttae = np.zeros_like(label.instances), np.zeros_like(label.guttae)
        lines = Path(str(path).replace("/images/", "/labels/")).with_suffix(".txt").read_text().splitlines()
        for number, line in enumerate(lines, 1):
            kind, *values = line.split()
            polygon = np.array(values, dtype=np.float32).reshape(-1, 2)
            assert ((polygon > 0) & (polygon < 1)).all()
            mask = np.zeros_like(label.guttae)
            cv2.fillPoly(mask, [(polygon * IMAGE_SIZE).astype(np.int32)], 1)
            if kind == "0":
                cells[mask > 0] = number
            else:
                guttae |= mask
        assert np.array_equal(cells, label.instances)
        assert np.array_equal(guttae, label.guttae // 255)
    assert len(list((tmp_path / "set").rglob("*.png"))) == BATCH


def test_only_cells(write: Callable[..., None], tmp_path: Path) -> None:
    write("yolo-seg", tmp_path / "set", validation_every=4)
    assert yaml.safe_load((tmp_path / "set" / "data.yaml").read_text())["names"] == {0: "cell"}
    for path in (tmp_path / "set" / "labels").rglob("*.txt"):
        assert {line.split()[0] for line in path.read_text().splitlines()} == {"0"}


@pytest.mark.parametrize("labels", [(), ("guttae",)])
def test_ultralytics_loads_every_cell(
    labels: tuple[str, ...],
    write: Callable[..., None],
    made: Made,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("YOLO_CONFIG_DIR", str(tmp_path / "settings"))
    monkeypatch.setenv("YOLO_OFFLINE", "true")
    data = pytest.importorskip("ultralytics.data", reason=NO_ULTRALYTICS)
    utils = pytest.importorskip("ultralytics.data.utils", reason=NO_ULTRALYTICS)
    write("yolo-seg", tmp_path / "set", *labels, validation_every=4)
    about = utils.check_det_dataset(str(tmp_path / "set" / "data.yaml"), autodownload=False)
    for part in ("train", "val"):
        loaded = data.YOLODataset(
            img_path=about[part], data=about, task="segment", imgsz=IMAGE_SIZE, augment=False
        )
        loaded.transforms.transforms[-1].mask_ratio = 1
        assert len(loaded) == (4 if part == "val" else 12)
        for item in loaded:
            index = int(Path(item["im_file"]).stem.split("-")[1])
            label = made.labels[index - START]
            assert is_validation(index - START) == (part == "val")
            assert np.array_equal(item["img"][0].numpy(), made.images[index - START])
            kinds = item["cls"].numpy().ravel()
            assert (kinds == 0).sum() == label.instances.max()
            if not labels:
                assert (kinds == 0).all()
                assert np.array_equal(item["masks"][0].numpy() > 0, label.instances > 0)
