"""Folders of images of every kind and state → a data set split by image → crops."""

from __future__ import annotations

import os
import shutil
import struct
import zlib
from collections import Counter
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from failing_system import as_ordinary_user, folder_for_everyone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_up_images import blobs, level, write
from PIL import Image

from training.data.crops import draw_crops
from training.data.read import DataError, read_grey
from training.data.split import Dataset, GreyImage, ImageFolder, load_dataset

RAMP = np.arange(160 * 150, dtype=np.uint32).reshape(150, 160)


def load(*folders: Path | ImageFolder, share: float = 0.2, split_seed: int = 0) -> Dataset:
    given = [folder if isinstance(folder, ImageFolder) else ImageFolder(folder) for folder in folders]
    return load_dataset(given, validation_share=share, split_seed=split_seed)


def levels(images: list[GreyImage]) -> set[int]:
    """Return the grey levels of images that have one each."""
    return {int(image.pixels[0, 0]) for image in images}


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
    dataset = load(folder)
    (left_out,) = dataset.left_out
    assert left_out.path == folder / name
    assert left_out.reason.startswith(f"{folder / name}: ")
    assert why in left_out.reason
    (source,) = dataset.sources
    assert (source.images, source.held_out, source.left_out) == (1, 1, 1)


def test_links_to_nothing_and_in_circles_are_left_out_and_folders_are_entered(tmp_path: Path) -> None:
    folder = tmp_path / "scans"
    write(folder / "named-like-an.png", "good.png", blobs(1))
    write(folder, "good.png", blobs(2))
    (folder / "dangling.png").symlink_to("nowhere.png")
    (folder / "circle.png").symlink_to("circle.png")
    (folder / "whole").symlink_to(folder)
    os.mkfifo(folder / "pipe.png")
    dataset = load(folder)
    assert {item.path.name for item in dataset.left_out} == {"dangling.png", "circle.png", "pipe.png"}
    assert all("not a file" in item.reason for item in dataset.left_out)
    assert len(dataset.training) + len(dataset.held_out) == 2


def test_a_link_to_an_image_is_that_image(tmp_path: Path) -> None:
    original = write(tmp_path / "elsewhere", "a.png", blobs(1))
    folder = tmp_path / "scans"
    folder.mkdir()
    (folder / "a.png").symlink_to(original)
    assert [image.file for image in load(folder).training] == ["a.png"]


def test_what_may_not_be_read_is_left_out() -> None:
    with folder_for_everyone() as folder:
        write(folder, "good.png", blobs(1))
        write(folder, "closed.png", blobs(2)).chmod(0o000)
        write(folder / "closed", "within.png", blobs(3))
        (folder / "closed").chmod(0o000)
        try:
            with as_ordinary_user():
                dataset = load(folder)
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
    dataset = load(tmp_path)
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


def test_a_missing_folder_an_empty_one_and_one_without_an_image(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere: no such folder"):
        load(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"no usable image \(0 file\(s\) left out\)"):
        load(tmp_path)
    for k in range(12):
        (tmp_path / f"{k:02d}.png").write_text("text")
    with pytest.raises(DataError, match=r"no usable image \(12 file\(s\) left out\)") as error:
        load(tmp_path)
    assert str(error.value).count("not an image that Pillow reads") == 10  # the first ten, then enough
    with pytest.raises(DataError, match=r"00\.png: no such folder"):
        load(tmp_path / "00.png")


def test_a_subfolder_called_images_is_used_instead(tmp_path: Path) -> None:
    write(tmp_path / "scans" / "images", "a.png", blobs(1))
    write(tmp_path / "scans" / "masks", "a.png", level(0))
    dataset = load(tmp_path / "scans")
    assert len(dataset.training) == 1
    assert dataset.sources[0].name == "scans"
    assert load(tmp_path / "scans" / "images").sources[0].name == "scans"


def test_two_folders_of_one_name_are_refused(tmp_path: Path) -> None:
    for parent in ("one", "two"):
        write(tmp_path / parent / "scans", "a.png", blobs(1))
    with pytest.raises(DataError, match=r"same name \(scans, scans\)"):
        load(tmp_path / "one" / "scans", tmp_path / "two" / "scans")


@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan"), float("inf")])
def test_a_weight_has_to_be_above_zero(weight: float, tmp_path: Path) -> None:
    write(tmp_path, "a.png", blobs(1))
    with pytest.raises(DataError, match="weight must be a number above 0"):
        load(ImageFolder(tmp_path, weight))


@pytest.mark.parametrize("region", [(0.5, 0, 0.5, 1), (0, 0, 1.1, 1), (-0.1, 0, 1, 1), (0, 0.9, 1, 0.1)])
def test_a_region_has_to_lie_within_the_image(
    region: tuple[float, float, float, float], tmp_path: Path
) -> None:
    write(tmp_path, "a.png", blobs(1))
    with pytest.raises(DataError, match="a region is left, top, right, bottom"):
        load(ImageFolder(tmp_path, region=region))


@pytest.mark.parametrize("share", [-0.1, 1.0, 2.0, float("nan")])
def test_a_share_has_to_be_below_one(share: float, tmp_path: Path) -> None:
    write(tmp_path, "a.png", blobs(1))
    with pytest.raises(DataError, match="from 0 to below 1"):
        load(tmp_path, share=share)


@pytest.mark.parametrize("factor", [0.5, float("nan"), float("inf")])
def test_enlarging_has_to_be_by_one_or_more(factor: float, tmp_path: Path) -> None:
    write(tmp_path, "a.png", blobs(1))
    with pytest.raises(DataError, match="a number from 1 up"):
        load_dataset([ImageFolder(tmp_path)], max_upscale=factor)


# Region and enlarging


def test_only_the_region_is_used(tmp_path: Path) -> None:
    pixels = level(10, 400, 200)
    pixels[:100], pixels[300:] = 200, 220
    pixels[:, :20] = 240
    write(tmp_path, "a.png", pixels)
    dataset = load(ImageFolder(tmp_path, region=(0.1, 0.25, 1.0, 0.75)))
    (image,) = dataset.training
    np.testing.assert_array_equal(image.pixels, level(10, 200, 180))
    assert dataset.sources[0].region == (0.1, 0.25, 1.0, 0.75)


def test_a_region_of_no_pixel_leaves_the_image_out(tmp_path: Path) -> None:
    write(tmp_path, "a.png", blobs(1))
    with pytest.raises(DataError, match=r"a\.png: nothing of it lies in the region"):
        load(ImageFolder(tmp_path, region=(0.0, 0.0, 0.001, 1.0)))


def test_small_images_are_enlarged_as_far_as_allowed(tmp_path: Path) -> None:
    write(tmp_path, "narrow.png", blobs(1, 300, 110))
    write(tmp_path, "tiny.png", blobs(2, 90, 90))
    write(tmp_path, "large.png", blobs(3, 200, 140))
    dataset = load_dataset([ImageFolder(tmp_path)], max_upscale=1.2, validation_share=0)
    assert {image.file: image.pixels.shape for image in dataset.training} == {
        "narrow.png": (349, 128),
        "large.png": (200, 140),
    }
    (tiny,) = dataset.left_out
    assert "enlarging by 1.42 would fit it; allowed: 1.2" in tiny.reason
    assert dataset.max_upscale == 1.2


def test_an_image_of_the_size_of_a_crop_is_used_as_it_is(tmp_path: Path) -> None:
    write(tmp_path, "a.png", blobs(1, 128, 128))
    dataset = load(tmp_path)
    crops = draw_crops(dataset.training, 3, np.random.default_rng(0), flips=False)
    np.testing.assert_array_equal(crops, np.stack([blobs(1, 128, 128)] * 3))


# Split


@pytest.fixture
def thirty(tmp_path: Path) -> Path:
    """Return a folder of thirty images with a grey level of their own each."""
    for k in range(30):
        write(tmp_path / "thirty", f"{k}.png", level(8 * k))
    return tmp_path / "thirty"


def test_the_split_is_by_image_never_by_crop(thirty: Path) -> None:
    dataset = load(thirty)
    assert (len(dataset.training), len(dataset.held_out)) == (24, 6)
    sides = [
        set(np.unique(draw_crops(images, 400, np.random.default_rng(0))).tolist())
        for images in (dataset.training, dataset.held_out)
    ]
    assert [len(side) for side in sides] == [24, 6]
    assert not sides[0] & sides[1]


def test_names_and_folders_do_not_decide_the_split(thirty: Path) -> None:
    before = load(thirty)
    for k in range(30):
        target = thirty / ("sub" if k % 2 else ".") / f"renamed-{29 - k:03d}.png"
        target.parent.mkdir(exist_ok=True)
        (thirty / f"{k}.png").rename(target)
    after = load(thirty)
    assert levels(after.held_out) == levels(before.held_out)
    assert after.digest == before.digest
    assert [image.pixels[0, 0] for image in after.training] == [
        image.pixels[0, 0] for image in before.training
    ]


def test_an_added_image_pushes_at_most_one_over_the_boundary(thirty: Path) -> None:
    held = levels(load(thirty).held_out)
    for grey in range(1, 80, 8):
        write(thirty, "added.png", level(grey))
        assert len(held - levels(load(thirty).held_out)) <= 1


def test_another_seed_makes_another_split(thirty: Path) -> None:
    splits = {frozenset(levels(load(thirty, split_seed=seed).held_out)) for seed in range(5)}
    assert len(splits) == 5
    assert all(len(split) == 6 for split in splits)


def test_every_image_is_held_out_by_some_seed(thirty: Path) -> None:
    found = set().union(*(levels(load(thirty, split_seed=seed).held_out) for seed in range(40)))
    assert len(found) == 30


@pytest.mark.parametrize(("share", "held"), [(0.0, 0), (0.001, 1), (0.2, 6), (0.5, 15), (0.95, 28)])
def test_the_share_is_met_as_closely_as_whole_images_allow(share: float, held: int, thirty: Path) -> None:
    dataset = load(thirty, share=share)
    assert len(dataset.held_out) == held
    assert len(dataset.training) == 30 - held


def test_a_share_that_leaves_nothing_to_train_on_is_refused(thirty: Path) -> None:
    with pytest.raises(DataError, match=r"30 usable image\(s\) leave none to train on"):
        load(thirty, share=0.99)


def test_a_single_image_is_trained_on(tmp_path: Path) -> None:
    write(tmp_path, "a.png", blobs(1))
    dataset = load(tmp_path)
    assert (len(dataset.training), len(dataset.held_out)) == (1, 0)


def test_identical_copies_stay_together(thirty: Path, tmp_path: Path) -> None:
    for k in range(30):
        shutil.copy(thirty / f"{k}.png", thirty / f"copy-of-{k}.png")
    other = tmp_path / "other"  # the same images a third time, among others that shift its boundary
    shutil.copytree(thirty, other)
    for grey in range(3, 240, 8):
        write(other, f"more-{grey}.png", level(grey))
    dataset = load(thirty, other)
    assert not levels(dataset.held_out) & levels(dataset.training)
    assert sum(source.images + source.held_out for source in dataset.sources) == 60 + 90


def test_the_digest_is_of_the_images_only(thirty: Path) -> None:
    before = load(thirty).digest
    assert load(thirty, split_seed=1).digest == before
    write(thirty, "0.png", level(1))
    assert load(thirty).digest != before


# Crops


def test_folders_have_the_share_of_crops_that_their_weights_say(tmp_path: Path) -> None:
    """Whatever the number and size of their images, and whichever of them are held out."""
    write(tmp_path / "one", "a.png", level(10))
    for k in range(6):
        write(tmp_path / "many", f"{k}.png", level(100 + k, 130 + 90 * k, 200))
    write(tmp_path / "few", "a.png", level(200, 600, 600))
    write(tmp_path / "few", "b.png", level(201, 130, 130))
    weights = {"one": 1.0, "many": 3.0, "few": 0.5}
    dataset = load(*(ImageFolder(tmp_path / name, weight) for name, weight in weights.items()))
    for side in (dataset.training, dataset.held_out):
        for name in {image.source for image in side}:
            assert sum(i.weight for i in side if i.source == name) == pytest.approx(weights[name])
    count = 8_000
    crops = draw_crops(dataset.training, count, np.random.default_rng(1))
    drawn = Counter(int(grey) // 50 for grey in crops[:, 0, 0])
    for name, place in (("one", 0), ("many", 2), ("few", 4)):
        share = weights[name] / 4.5
        assert abs(drawn[place] / count - share) < 5 * (share * (1 - share) / count) ** 0.5, name
    # Within a folder, an image's share is that of its area.
    many = [image for image in dataset.training if image.source == "many"]
    area = sum(image.pixels.size for image in many)
    for image in many:
        share = 3.0 / 4.5 * image.pixels.size / area
        found = float((crops[:, 0, 0] == image.pixels[0, 0]).mean())
        assert abs(found - share) < 5 * (share * (1 - share) / count) ** 0.5


def corner_image() -> GreyImage:
    """Return an image whose grey levels tell row and column: 140 × 150, all places of a crop differ."""
    y, x = np.mgrid[:140, :150]
    return GreyImage((y + x // 2).astype(np.uint8), "made-up", "a.png", 1.0)


def test_crops_come_from_every_place_as_often() -> None:
    y, x = np.mgrid[:140, :150]
    rows = GreyImage(y.astype(np.uint8), "made-up", "rows.png", 1.0)
    columns = GreyImage(x.astype(np.uint8), "made-up", "columns.png", 1.0)
    count = 6_000
    for image, places in ((rows, 13), (columns, 23)):
        crops = draw_crops([image], count, np.random.default_rng(2), flips=False)
        found = Counter(crops[:, 0, 0].tolist())
        assert set(found) == set(range(places))
        expected = count / places
        chi_square = sum((n - expected) ** 2 / expected for n in found.values())
        degrees = places - 1
        assert abs(chi_square - degrees) < 5 * (2 * degrees) ** 0.5


def test_crops_are_mirrored_either_way_half_of_the_time() -> None:
    pixels = np.zeros((128, 128), dtype=np.uint8)
    pixels[:64, 64:], pixels[64:, :64], pixels[64:, 64:] = 1, 2, 3
    crops = draw_crops([GreyImage(pixels, "made-up", "a.png", 1.0)], 4_000, np.random.default_rng(3))
    found = Counter((int(crop[0, 0]), int(crop[0, -1]), int(crop[-1, 0])) for crop in crops)
    assert set(found) == {(0, 1, 2), (1, 0, 3), (2, 3, 0), (3, 2, 1)}
    assert all(abs(n - 1_000) < 5 * (4_000 * 0.25 * 0.75) ** 0.5 for n in found.values())


def test_without_flips_a_crop_is_a_piece_of_the_image() -> None:
    image = corner_image()
    pieces = np.lib.stride_tricks.sliding_window_view(image.pixels, (128, 128)).reshape(-1, 128, 128)
    known = {piece.tobytes() for piece in pieces}
    for crop in draw_crops([image], 50, np.random.default_rng(4), flips=False):
        assert crop.tobytes() in known


def test_the_same_generator_draws_the_same_crops() -> None:
    images = [corner_image(), GreyImage(blobs(5), "made-up", "b.png", 2.0)]
    one, two, other = (draw_crops(images, 20, np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert one.dtype == np.uint8
    assert one.shape == (20, 128, 128)
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, other)


def test_an_epoch_is_the_crops_that_tile_the_training_images(tmp_path: Path) -> None:
    for k in range(4):
        write(tmp_path, f"{k}.png", level(k, 256, 384))
    assert load(tmp_path, share=0.25).crops_per_epoch() == 3 * 6
    assert load_dataset([ImageFolder(tmp_path)], validation_share=0).crops_per_epoch() == 4 * 6


def test_the_real_images_are_all_usable(real_data: Path) -> None:
    dataset = load(real_data / "gavet", real_data / "cwru")
    assert dataset.left_out == []
    assert {source.name: source.images + source.held_out for source in dataset.sources} == {
        "gavet": 20,
        "cwru": 36,
    }
