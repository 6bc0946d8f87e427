"""Files of every kind → grey levels, and files that must not get far."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from broken_png import png
from dicom_files import PATIENT, write_dicom
from PIL import Image, ImageFile
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    RLELossless,
)

from endotwin.image_reading import MAX_PIXELS, UnreadableError
from training.curation.image_files import decode, read_bytes

RAMP = np.arange(256, dtype=np.uint8).reshape(16, 16)


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    buffer = BytesIO()
    image.save(buffer, format=form, **options)  # type: ignore[arg-type]
    return buffer.getvalue()


@pytest.mark.parametrize("form", ["PNG", "TIFF", "BMP"])
def test_a_grey_image_is_read_as_it_is(form: str) -> None:
    picture = decode(encoded(Image.fromarray(RAMP), form))
    assert np.array_equal(picture.grey, RAMP)
    assert picture.chroma is None


@pytest.mark.parametrize("form", ["PNG", "TIFF", "BMP"])
def test_a_colour_export_of_a_grey_image_is_that_image(form: str) -> None:
    picture = decode(encoded(Image.fromarray(RAMP).convert("RGB"), form))
    assert np.array_equal(picture.grey, RAMP)
    assert picture.chroma is None


def test_chroma_is_the_largest_minus_the_smallest_channel() -> None:
    pixels = np.full((4, 4, 3), (200, 50, 120), dtype=np.uint8)
    picture = decode(encoded(Image.fromarray(pixels), "PNG"))
    assert picture.chroma is not None
    assert (picture.chroma == 150).all()


def test_a_photograph_is_turned_as_its_camera_says() -> None:
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    picture = decode(encoded(Image.fromarray(RAMP), "PNG", exif=exif))
    assert np.array_equal(picture.grey, RAMP[::-1, ::-1])


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
def test_levels_keep_their_relation_to_the_full_scale(bits: int) -> None:
    full = (1 << bits) - 1
    values = np.array([[0, full // 2, full]], dtype=np.uint16)
    assert decode(encoded(Image.fromarray(values), "TIFF")).grey.tolist() == [[0, 127, 255]]
    dark = values // 8
    dark[0, 2] = (1 << (bits - 2)) + 1  # still of these bits, or of two fewer
    assert decode(encoded(Image.fromarray(dark), "TIFF")).grey[0, 1] < 70


@pytest.mark.parametrize(("largest", "expected"), [(1.0, 255), (255.0, 255), (1000.0, 255), (0.5, 128)])
def test_floating_point_images_are_shares_levels_or_their_own_scale(largest: float, expected: int) -> None:
    values = np.array([[0.0, largest]], dtype=np.float32)
    assert decode(encoded(Image.fromarray(values), "TIFF")).grey.tolist() == [[0, expected]]


@pytest.mark.parametrize("bits", [8, 12, 16])
@pytest.mark.parametrize("inverted", [False, True])
def test_dicom_of_any_bits_either_way_round(tmp_path: Path, bits: int, inverted: bool) -> None:
    write_dicom(tmp_path / "a", RAMP, bits=bits, inverted=inverted)
    assert np.array_equal(decode(read_bytes(tmp_path / "a")).grey, RAMP)


def test_signed_dicom(tmp_path: Path) -> None:
    dataset = write_dicom(tmp_path / "a", RAMP, bits=12)
    values = np.frombuffer(dataset.PixelData, dtype=np.uint16).astype(np.int16) - 2048
    dataset.PixelRepresentation, dataset.PixelData = 1, values.tobytes()
    dataset.save_as(tmp_path / "a")
    assert np.array_equal(decode(read_bytes(tmp_path / "a")).grey, RAMP)


@pytest.mark.parametrize(("form", "syntax"), [("JPEG", JPEGBaseline8Bit), ("JPEG2000", JPEG2000Lossless)])
def test_dicom_that_holds_a_jpeg(tmp_path: Path, form: str, syntax: str) -> None:
    dataset = write_dicom(tmp_path / "a", RAMP)
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.PixelData = encapsulate([encoded(Image.fromarray(RAMP), form)])
    dataset["PixelData"].VR = "OB"
    dataset.save_as(tmp_path / "a")
    levels = decode(read_bytes(tmp_path / "a")).grey.astype(int)
    assert np.abs(levels - RAMP).max() <= (0 if form == "JPEG2000" else 8)


def test_compressed_dicom(tmp_path: Path) -> None:
    dataset = write_dicom(tmp_path / "b", RAMP, bits=12)
    dataset.compress(RLELossless)
    dataset.save_as(tmp_path / "b")
    assert np.array_equal(decode(read_bytes(tmp_path / "b")).grey, RAMP)


def test_colour_dicom(tmp_path: Path) -> None:
    write_dicom(tmp_path / "a", np.stack([RAMP] * 3, axis=2))
    assert np.array_equal(decode(read_bytes(tmp_path / "a")).grey, RAMP)


def hostile(folder: Path) -> Iterator[tuple[str, bytes, str]]:
    """Yield files that claim, hide or lack something, and what is said of each."""
    yield "claims 100,000 × 100,000", png(100_000, 100_000, b"x"), "more than 64,000,000 pixels"
    yield "inflates a thousandfold", png(10_000, 8_000, zlib.compress(bytes(80_008_000), 9)), "pixels"
    tiff = encoded(Image.fromarray(np.tile(RAMP, (20, 20))), "TIFF")
    yield "truncated TIFF", tiff[: len(tiff) // 2], "damaged|not a PNG"
    pages = encoded(Image.fromarray(RAMP), "TIFF", save_all=True, append_images=[Image.fromarray(RAMP)])
    yield "two pages", pages, "several images"
    yield "text", b"hello", "not a PNG"
    dataset = write_dicom(folder / "d", RAMP)
    dataset.NumberOfFrames = 4
    dataset.save_as(folder / "d")
    yield "four frames", (folder / "d").read_bytes(), "several frames"
    dataset = write_dicom(folder / "d", RAMP)
    dataset.Rows = dataset.Columns = 60_000
    dataset.save_as(folder / "d")
    yield "a huge DICOM", (folder / "d").read_bytes(), "pixels"
    dataset = write_dicom(folder / "d", RAMP)
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    dataset.save_as(folder / "d")
    yield "deflated", (folder / "d").read_bytes(), "deflated"
    dataset = write_dicom(folder / "d", RAMP)
    dataset.PixelData = dataset.PixelData[:100]
    dataset.save_as(folder / "d")
    yield "half a DICOM", (folder / "d").read_bytes(), "cannot be decoded"


def test_hostile_files_are_refused_with_a_reason_that_names_nobody(tmp_path: Path) -> None:
    for name, data, why in hostile(tmp_path):
        with pytest.raises(UnreadableError, match=why) as caught:
            decode(data)
        assert PATIENT not in str(caught.value), name
        assert str(tmp_path) not in str(caught.value), name


def test_the_largest_image_allowed_is_larger_than_any_microscope_makes() -> None:
    assert MAX_PIXELS >= 8_000 * 6_000


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UnreadableError, match="not a regular file"):
        read_bytes(tmp_path / "pipe")


def test_a_file_without_permission_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "closed.png"
    path.write_bytes(b"x")
    path.chmod(0)
    tmp_path.chmod(0o755)
    user = os.geteuid()
    if user == 0:  # nothing is closed to root
        os.seteuid(65534)
    try:
        with pytest.raises(UnreadableError, match="Permission denied"):
            read_bytes(path)
    finally:
        os.seteuid(user)


def test_settings_of_pillow_are_as_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Decoding has a limit of its own, whatever the process has set; and leaves what it has set."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    path = tmp_path / "image.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (100, 100), dtype=np.uint8)).save(path)
    decode(path.read_bytes())
    with pytest.raises(UnreadableError, match="damaged image"):
        decode(path.read_bytes()[:5_000])
    assert Image.MAX_IMAGE_PIXELS == 10
    assert ImageFile.LOAD_TRUNCATED_IMAGES
