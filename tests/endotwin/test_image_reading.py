"""Image files of every kind and state → grey levels, or a reason why not."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from failing_system import as_ordinary_user, folder_for_everyone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_up_images import blobs, load_folders, write
from PIL import Image

from endotwin.image_reading import DataError, UnreadableError, read_grey
from training.curation.image_files import decode

RAMP = np.arange(160 * 150, dtype=np.uint32).reshape(150, 160)


# Formats


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp", "webp"])
def test_eight_bits_are_read_as_they_are(suffix: str, tmp_path: Path) -> None:
    pixels = blobs(1)
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(pixels).save(path, **({"lossless": True} if suffix == "webp" else {}))
    np.testing.assert_array_equal(read_grey(path), pixels)


def test_a_jpeg_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.JPG"
    Image.fromarray(blobs(1)).save(path, quality=95)
    difference = read_grey(path).astype(int) - blobs(1)
    assert np.abs(difference).mean() < 3


@pytest.mark.parametrize(("suffix", "mode"), [("png", "I;16"), ("tif", "I;16"), ("tif", "I;16B")])
def test_sixteen_bits_are_scaled_by_their_own_range(suffix: str, mode: str, tmp_path: Path) -> None:
    values = (1000 + RAMP // 8).astype(np.uint16)  # twelve bits, as cameras give them
    path = tmp_path / f"a.{suffix}"
    content = values.astype(">u2" if mode == "I;16B" else "<u2").tobytes()
    Image.frombytes(mode, (160, 150), content).save(path)
    found = read_grey(path)
    expected = (values - values.min()) * (255.0 / (values.max() - values.min()))
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, np.round(expected))
    assert (found.min(), found.max()) == (0, 255)


@pytest.mark.parametrize("values", [RAMP.astype(np.float32) / 1e3 - 7.0, RAMP.astype(np.int32) * 50 - 99])
def test_floating_point_and_32_bits_are_scaled_by_their_own_range(
    values: np.ndarray, tmp_path: Path
) -> None:
    path = tmp_path / "a.tiff"
    Image.fromarray(values).save(path)
    found = read_grey(path)
    np.testing.assert_array_equal(found, np.round(RAMP * (255.0 / RAMP.max())))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "CMYK", "YCbCr"])
def test_a_colour_export_of_a_grey_image_is_that_image(mode: str, tmp_path: Path) -> None:
    pixels = blobs(2)
    path = tmp_path / ("a.tif" if mode in ("CMYK", "YCbCr", "LA") else "a.png")
    image = Image.fromarray(pixels).convert("RGB" if mode != "LA" else "L").convert(mode)
    # Compressed: Pillow 12.3 does not read the YCbCr that it wrote without.
    image.save(path, **({"compression": "tiff_lzw"} if path.suffix == ".tif" else {}))
    assert np.abs(read_grey(path).astype(int) - pixels).max() <= 1


def test_a_palette_is_looked_up(tmp_path: Path) -> None:
    pixels = (blobs(2) // 32) * 32
    path = tmp_path / "a.png"
    Image.fromarray(pixels).convert("RGB").quantize(16).save(path)
    with Image.open(path) as image:
        assert image.mode == "P"
    assert np.abs(read_grey(path).astype(int) - pixels).max() <= 1


def test_one_bit_is_black_and_white(tmp_path: Path) -> None:
    pixels = blobs(2) > 100
    path = tmp_path / "a.png"
    Image.fromarray(pixels).save(path)
    np.testing.assert_array_equal(read_grey(path), pixels * np.uint8(255))


# What cannot be used


def png_that_claims(width: int, height: int) -> bytes:
    """Return a small PNG whose header states a size that its data do not have."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(b"\0" * 1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + data + chunk(b"IEND", b"")


def truncated_png() -> bytes:
    return encoded(blobs(1), "PNG")[:9_000]


def encoded(pixels: np.ndarray, kind: str) -> bytes:
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


def five_pages() -> bytes:
    pages = [Image.fromarray(blobs(seed)) for seed in range(5)]
    buffer = BytesIO()
    pages[0].save(buffer, "TIFF", save_all=True, append_images=pages[1:])
    return buffer.getvalue()


BAD_FILES: dict[str, tuple[Callable[[], bytes], str]] = {
    "truncated.png": (truncated_png, "truncated"),
    "truncated.jpg": (lambda: encoded(blobs(1), "JPEG")[:3_000], "truncated"),
    "truncated.tif": (lambda: encoded(blobs(1), "TIFF")[:5_000], ""),
    "text.png": (lambda: b"not an image\n" * 50, "not an image that Pillow reads"),
    "empty.png": (lambda: b"", "not an image that Pillow reads"),
    "small.png": (
        lambda: encoded(blobs(1, 127, 300), "PNG"),
        "300 × 127 pixels, smaller than the 128 × 128",
    ),
    "huge.png": (lambda: png_that_claims(100_000, 100_000), "pixels"),
    "large.png": (lambda: png_that_claims(10_000, 10_000), "10000 × 10000 pixels; at most 64000000"),
    "lying.png": (lambda: png_that_claims(2_000, 2_000), "truncated"),
    "pages.tif": (five_pages, "holds several images in one file"),
    "blank.tif": (lambda: encoded(np.full((150, 150), 900, np.uint16), "TIFF"), "all pixels are 900"),
    "nan.tif": (lambda: encoded(np.full((150, 150), np.nan, np.float32), "TIFF"), "not finite"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_is_left_out_by_name_and_the_rest_is_used(name: str, tmp_path: Path) -> None:
    content, why = BAD_FILES[name]
    folder = tmp_path / "scans"
    write(folder, "good-1.png", blobs(1))
    write(folder, "good-2.png", blobs(2))
    (folder / name).write_bytes(content())
    dataset = load_folders(folder)
    (left_out,) = dataset.left_out
    assert left_out.path == folder / name
    assert left_out.reason.startswith(f"{folder / name}: ")
    assert why in left_out.reason
    (source,) = dataset.sources
    assert (source.images, source.held_out, source.left_out) == (1, 1, 1)


def test_curate_says_the_same_of_several_pages() -> None:
    with pytest.raises(UnreadableError, match="holds several images in one file"):
        decode(five_pages())


def test_a_preview_in_a_photograph_is_no_second_image(tmp_path: Path) -> None:
    photograph, preview = Image.fromarray(blobs(1)), Image.fromarray(blobs(2)[:40, :40])
    photograph.save(tmp_path / "a.jpg", format="MPO", save_all=True, append_images=[preview], quality=95)
    content = (tmp_path / "a.jpg").read_bytes()
    assert np.abs(read_grey(tmp_path / "a.jpg").astype(int) - blobs(1)).max() <= 40
    with Image.open(BytesIO(content)) as image:
        assert getattr(image, "n_frames", 1) == 2


def test_a_photograph_is_turned_as_its_camera_says(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    Image.fromarray(blobs(1)).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(read_grey(tmp_path / "a.png"), blobs(1)[::-1, ::-1])


def test_links_to_nothing_and_in_circles_are_left_out_and_folders_are_entered(tmp_path: Path) -> None:
    folder = tmp_path / "scans"
    write(folder / "named-like-an.png", "good.png", blobs(1))
    write(folder, "good.png", blobs(2))
    (folder / "dangling.png").symlink_to("nowhere.png")
    (folder / "circle.png").symlink_to("circle.png")
    (folder / "whole").symlink_to(folder)
    os.mkfifo(folder / "pipe.png")
    dataset = load_folders(folder)
    assert {item.path.name for item in dataset.left_out} == {"dangling.png", "circle.png", "pipe.png"}
    assert all("not a file" in item.reason for item in dataset.left_out)
    assert len(dataset.training) + len(dataset.held_out) == 2


def test_a_link_to_an_image_is_that_image(tmp_path: Path) -> None:
    original = write(tmp_path / "elsewhere", "a.png", blobs(1))
    folder = tmp_path / "scans"
    folder.mkdir()
    (folder / "a.png").symlink_to(original)
    assert [image.file for image in load_folders(folder).training] == ["a.png"]


def test_what_may_not_be_read_is_left_out() -> None:
    with folder_for_everyone() as folder:
        write(folder, "good.png", blobs(1))
        write(folder, "closed.png", blobs(2)).chmod(0o000)
        write(folder / "closed", "within.png", blobs(3))
        (folder / "closed").chmod(0o000)
        try:
            with as_ordinary_user():
                dataset = load_folders(folder)
        finally:
            (folder / "closed").chmod(0o755)
    assert [image.file for image in dataset.training] == ["good.png"]
    reasons = {item.path.name: item.reason for item in dataset.left_out}
    assert reasons == {
        "closed.png": f"{folder / 'closed.png'}: Permission denied",
        "closed": f"{folder / 'closed'}: Permission denied",
    }


def test_what_lies_beside_images_is_passed_over(tmp_path: Path) -> None:
    write(tmp_path, "good.png", blobs(1))
    for name in ("README.md", "labels.csv", "Thumbs.db", ".DS_Store", ".hidden.png"):
        (tmp_path / name).write_text("text")
    write(tmp_path / ".thumbnails", "good.png", blobs(2))
    dataset = load_folders(tmp_path)
    assert dataset.left_out == []
    assert len(dataset.training) == 1


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(["PNG", "TIFF", "BMP", "JPEG", "GIF", "WEBP"]),
    changes=st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=6
    ),
    in_header=st.booleans(),
)
def test_a_corrupt_file_is_read_or_left_out_never_an_accident(
    kind: str, changes: list[tuple[float, int]], in_header: bool, tmp_path: Path
) -> None:
    content = bytearray(encoded(blobs(1, 40, 40), kind))
    for share, value in changes:
        content[int(share * (min(len(content), 120) if in_header else len(content)))] = value
    path = tmp_path / "corrupt"
    path.write_bytes(content)
    try:
        pixels = read_grey(path)
    except DataError as error:
        message = str(error)
    else:
        assert pixels.ndim == 2
        return
    assert message.startswith(f"{path}: ")
