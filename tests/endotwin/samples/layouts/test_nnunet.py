"""nnU-Net v2: what is written, and what nnU-Net itself says of it where it is installed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from layout_batches import SEED, START, Made
from PIL import Image

from endotwin.files import OutputError
from endotwin.image_range import BATCH
from endotwin.samples.layouts.writing import LAYOUTS
from endotwin.samples.sample import sample_name

FOLDER = "Dataset501_Endotwin"
NO_NNUNET = "nnunetv2 is not installed (the extra test-layouts brings it)"


def read(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        assert image.mode == "L"
        return np.asarray(image)


def test_a_data_set_with_guttae_and_a_test_part(
    write: Callable[..., None], made: Made, tmp_path: Path
) -> None:
    write("nnunet", tmp_path / FOLDER, "guttae", validation_every=4)
    for i, (image, label) in enumerate(zip(made.images, made.labels, strict=True)):
        part = "Ts" if (START + i) % 4 == 3 else "Tr"
        name = sample_name(SEED, START + i)
        assert np.array_equal(read(tmp_path / FOLDER / f"images{part}" / f"{name}_0000.png"), image)
        classes = read(tmp_path / FOLDER / f"labels{part}" / f"{name}.png")
        assert np.array_equal(classes == 1, label.borders == 255)
        assert np.array_equal(classes == 2, (label.guttae == 255) & (label.borders == 0))
        assert set(np.unique(classes)) == {0, 1, 2}
    content = json.loads((tmp_path / FOLDER / "dataset.json").read_text())
    assert content["labels"] == {"background": 0, "border": 1, "guttae": 2}
    assert content["numTraining"] == 12
    assert content["endotwin"]["conditions"] == {"guttae": "0.1:0.2"}
    assert len(list((tmp_path / FOLDER).rglob("*.png"))) == 2 * BATCH


def test_guttae_are_background_unless_asked_for(
    write: Callable[..., None], made: Made, tmp_path: Path
) -> None:
    write("nnunet", tmp_path / FOLDER)
    assert sorted(path.name for path in (tmp_path / FOLDER).iterdir()) == [
        "dataset.json",
        "imagesTr",
        "labelsTr",
    ]
    for i, label in enumerate(made.labels):
        classes = read(tmp_path / FOLDER / "labelsTr" / f"{sample_name(SEED, START + i)}.png")
        assert np.array_equal(classes, label.borders // 255)
    content = json.loads((tmp_path / FOLDER / "dataset.json").read_text())
    assert content["labels"] == {"background": 0, "border": 1}


@pytest.mark.parametrize("labels", [("visible",), ("guttae", "visible")])
def test_what_is_not_visible_is_ignored(
    labels: tuple[str, ...], write: Callable[..., None], made: Made, tmp_path: Path
) -> None:
    write("nnunet", tmp_path / FOLDER, *labels)
    content = json.loads((tmp_path / FOLDER / "dataset.json").read_text())
    ignore = content["labels"]["ignore"]
    assert ignore == max(content["labels"].values()) == len(labels) + 1
    for i, label in enumerate(made.labels):
        classes = read(tmp_path / FOLDER / "labelsTr" / f"{sample_name(SEED, START + i)}.png")
        gutta = (label.guttae > 0) & (label.borders == 0) if "guttae" in labels else label.guttae < 0
        assert np.array_equal(classes == 2, gutta) == ("guttae" in labels)
        assert np.array_equal(classes == ignore, (label.visible == 0) & ~gutta)
        assert np.array_equal(classes == 1, (label.visible > 0) & (label.borders > 0))


@pytest.mark.parametrize("name", ["set", "Dataset_1", "Dataset1_Cells", "Dataset0501_Cells", "Dataset501"])
def test_a_name_that_nnunet_does_not_find_is_refused(
    name: str, write: Callable[..., None], tmp_path: Path
) -> None:
    with pytest.raises(OutputError, match=f"such as Dataset501_Endotwin, not by {name}"):
        write("nnunet", tmp_path / name)
    assert list(tmp_path.iterdir()) == []
    LAYOUTS["nnunet"].check_path(tmp_path / "Dataset007_my-Cells_2")


@pytest.mark.parametrize("labels", [(), ("guttae",)])
def test_nnunet_finds_nothing_wrong(
    labels: tuple[str, ...],
    write: Callable[..., None],
    made: Made,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    verify = pytest.importorskip("nnunetv2.experiment_planning.verify_dataset_integrity", reason=NO_NNUNET)
    registry = pytest.importorskip("nnunetv2.imageio.reader_writer_registry", reason=NO_NNUNET)
    folder = tmp_path / FOLDER
    write("nnunet", folder, *labels, validation_every=4)
    verify.verify_dataset_integrity(str(folder), num_processes=1)
    assert "most likely OK" in capfd.readouterr().out
    reader = registry.determine_reader_writer_from_dataset_json(
        json.loads((folder / "dataset.json").read_text())
    )()
    name = sample_name(SEED, START)
    image, _ = reader.read_images((str(folder / "imagesTr" / f"{name}_0000.png"),))
    classes, _ = reader.read_seg(str(folder / "labelsTr" / f"{name}.png"))
    assert np.array_equal(image[0, 0], made.images[0])
    assert np.array_equal(classes[0, 0] == 1, made.labels[0].borders == 255)
