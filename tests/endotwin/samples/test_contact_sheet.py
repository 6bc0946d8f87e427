from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from endotwin.generator.batch import Batch
from endotwin.image_range import ImageRange
from endotwin.samples.formats import FORMATS
from endotwin.samples.sample import Provenance, sample_files
from endotwin.samples.sheet import ContactSheetError, draw_contact_sheet, read_images

IMAGES = np.random.default_rng(0).integers(0, 256, (7, 128, 128), dtype=np.uint8)
BATCH = Batch(ImageRange(7, 0, len(IMAGES)), IMAGES)
PROVENANCE = Provenance("m", "0" * 64)


def test_every_image_is_on_the_sheet_once_in_order() -> None:
    sheet = np.asarray(draw_contact_sheet(list(IMAGES)))
    assert sheet.shape == (3 * 130 - 2, 3 * 130 - 2)
    for i, image in enumerate(IMAGES):
        top, left = i // 3 * 130, i % 3 * 130
        assert np.array_equal(sheet[top : top + 128, left : left + 128], image)
    assert (sheet[2 * 130 :, 130:] == 255).all()  # the places that stay empty


def test_one_image_fills_the_sheet() -> None:
    assert np.array_equal(np.asarray(draw_contact_sheet([IMAGES[0]])), IMAGES[0])


@pytest.mark.parametrize("images", [[], [IMAGES[0], IMAGES[0, :64]]])
def test_a_sheet_needs_images_of_one_size(images: list[np.ndarray]) -> None:
    with pytest.raises(ValueError, match="one size"):
        draw_contact_sheet(images)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("limit", [3, 100])
def test_images_of_an_archive(kind: str, limit: int, tmp_path: Path) -> None:
    archive = FORMATS[kind](BATCH.range, PROVENANCE)
    path = tmp_path / f"set{archive.suffix}"
    path.write_bytes(archive.head() + archive.add(BATCH) + archive.tail())
    assert np.array_equal(np.stack(read_images(path, limit)), IMAGES[:limit])


def test_images_of_a_folder(tmp_path: Path) -> None:
    for name, content in sample_files(BATCH, PROVENANCE):
        (tmp_path / name).write_bytes(content)
        if name.endswith(".png"):  # a label is no image
            (tmp_path / name.replace(".png", ".borders.png")).write_bytes(content)
    assert np.array_equal(np.stack(read_images(tmp_path, 100)), IMAGES)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("set.tar", b"", "cannot be read"),
        ("set.tar", b"no tar at all" * 100, "cannot be read"),
        ("set.npy", b"no array", "cannot be read"),
        ("set.npz", b"no arrays", "cannot be read"),
        ("folder/7-00000000.png", b"no PNG", "7-00000000.png is damaged or not an image"),
        ("folder/notes.txt", b"", "holds no PNG images"),
    ],
)
def test_what_is_wrong_is_said(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    target = path.parent if path.parent != tmp_path else path
    with pytest.raises(ContactSheetError, match=message) as caught:
        read_images(target, 10)
    assert str(target) in str(caught.value)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"pictures": IMAGES}, "it holds no array named images"),
        ({"images": IMAGES[0]}, r"an array of uint8 \(128, 128\), not of uint8 \(n, height, width\)"),
        ({"images": IMAGES / 2}, "an array of float64"),
        ({"images": np.asfortranarray(IMAGES)}, "not of uint8"),
    ],
)
def test_arrays_that_are_no_images(arrays: dict[str, np.ndarray], message: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "set.npz", **arrays)
    with pytest.raises(ContactSheetError, match=message):
        read_images(tmp_path / "set.npz", 10)


def test_a_path_with_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(ContactSheetError, match="no such file or folder"):
        read_images(tmp_path / "none", 10)


def test_a_truncated_archive_is_not_taken_for_a_small_one(tmp_path: Path) -> None:
    archive = FORMATS["tar"](BATCH.range, PROVENANCE)
    path = tmp_path / "set.tar"
    path.write_bytes(archive.add(BATCH)[:-9000])
    with pytest.raises(ContactSheetError, match="cannot be read"):
        read_images(path, 100)
