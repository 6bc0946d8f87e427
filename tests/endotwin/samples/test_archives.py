from __future__ import annotations

import hashlib
import io
import json
import tarfile
import tempfile
import tracemalloc
import zipfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import webdataset
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from endotwin.generator.batch import Batch
from endotwin.image_range import IMAGE_SIZE, MAX_INDEX, MAX_SEED, ImageRange
from endotwin.samples.archive import Archive
from endotwin.samples.formats import FORMATS
from endotwin.samples.sample import Provenance, sample_name
from endotwin.samples.zip import MAX_STREAMED_FILES

MODEL, DIGEST = "compact", hashlib.sha256(b"a checkpoint").hexdigest()
COUNTS = st.integers(1, 12)
SEEDS = st.integers(0, MAX_SEED)
STARTS = st.integers(0, MAX_INDEX - 12)
few = settings(suppress_health_check=[HealthCheck.too_slow])


def make_images(count: int, size: int = IMAGE_SIZE) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 256, (count, size, size), dtype=np.uint8)


def begin(kind: str, count: int, seed: int = 7, start: int = 0) -> Archive:
    return FORMATS[kind](ImageRange(seed, start, count), Provenance(MODEL, DIGEST))


def batch(images: np.ndarray, seed: int = 7, start: int = 0) -> Batch:
    return Batch(ImageRange(seed, start, len(images)), images)


def write(archive: Archive, images: np.ndarray, cuts: tuple[int, ...] = ()) -> bytes:
    """Write an archive with one call of `add` per piece that the images are cut into."""
    ends = sorted({0, *cuts, len(images)})
    seed, start = archive.images.seed, archive.images.start
    pieces = [batch(images[first:end], seed, start + first) for first, end in pairwise(ends)]
    return archive.head() + b"".join(map(archive.add, pieces)) + archive.tail()


def png_pixels(content: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image)


def check_members(files: dict[str, bytes], images: np.ndarray, seed: int, start: int) -> None:
    names = [sample_name(seed, start + i) for i in range(len(images))]
    assert list(files) == [f"{name}.{kind}" for name in names for kind in ("png", "json")]
    for i, name in enumerate(names):
        assert np.array_equal(png_pixels(files[f"{name}.png"]), images[i])
        assert json.loads(files[f"{name}.json"]) == {
            "generator_sha256": DIGEST,
            "index": start + i,
            "model": MODEL,
            "seed": seed,
        }


@few
@given(COUNTS, SEEDS, STARTS)
def test_tarfile_reads_a_tar(count: int, seed: int, start: int) -> None:
    images = make_images(count)
    data = write(begin("tar", count, seed, start), images)
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        members = tar.getmembers()
        contents = [tar.extractfile(member) for member in members]
        files = {m.name: c.read() for m, c in zip(members, contents, strict=True) if c is not None}
    check_members(files, images, seed, start)
    assert {(m.mtime, m.uid, m.gid, m.uname, m.gname, m.mode) for m in members} == {
        (0, 0, 0, "", "", 0o644)
    }


@few
@given(COUNTS, SEEDS, STARTS)
def test_zipfile_reads_a_zip(count: int, seed: int, start: int) -> None:
    images = make_images(count)
    data = write(begin("zip", count, seed, start), images)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        files = {member.filename: archive.read(member) for member in archive.infolist()}
        kinds = {
            (m.compress_type, m.date_time, m.external_attr, m.flag_bits, m.create_system)
            for m in archive.infolist()
        }
    check_members(files, images, seed, start)
    assert kinds == {(zipfile.ZIP_STORED, (1980, 1, 1, 0, 0, 0), 0o100644 << 16, 0, 3)}


@few
@given(COUNTS)
def test_numpy_reads_an_npy_of_the_announced_length(count: int) -> None:
    images = make_images(count)
    archive = begin("npy", count)
    data = write(archive, images)
    assert archive.content_length == len(data)
    assert np.array_equal(np.load(io.BytesIO(data), allow_pickle=False), images)


def test_an_npy_is_what_numpy_writes() -> None:
    images = make_images(5)
    file = io.BytesIO()
    np.save(file, images)
    assert write(begin("npy", 5), images) == file.getvalue()


def test_a_tar_is_what_tarfile_writes() -> None:
    images = make_images(3)
    data = write(begin("tar", 3), images)
    again = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(data)) as tar,
        tarfile.open(fileobj=again, mode="w|", format=tarfile.USTAR_FORMAT) as copy,
    ):
        for member in tar:
            copy.addfile(member, tar.extractfile(member))
    assert data == again.getvalue()


@few
@given(COUNTS, SEEDS, st.integers(0, 10**8 - 13))
def test_webdataset_reads_a_tar(count: int, seed: int, start: int) -> None:
    images = make_images(count)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "set.tar"
        path.write_bytes(write(begin("tar", count, seed, start), images))
        samples = list(webdataset.WebDataset(str(path), shardshuffle=False, empty_check=False).decode("l8"))
    assert [sample["__key__"] for sample in samples] == [sample_name(seed, start + i) for i in range(count)]
    for i, sample in enumerate(samples):
        assert np.array_equal(sample["png"], images[i])
        assert sample["json"]["index"] == start + i


@pytest.mark.parametrize("kind", FORMATS)
@few
@given(count=COUNTS, data=st.data())
def test_bytes_do_not_depend_on_how_images_are_handed_in(
    kind: str, count: int, data: st.DataObject
) -> None:
    images = make_images(count)
    cuts = data.draw(st.lists(st.integers(0, count), max_size=count).map(tuple))
    assert write(begin(kind, count), images, cuts) == write(begin(kind, count), images)


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_a_member_is_the_same_whatever_range_it_comes_in(kind: str) -> None:
    images = make_images(12)
    whole = dict(members(kind, write(begin(kind, 12, start=100), images)))
    part = dict(members(kind, write(begin(kind, 5, start=104), images[4:9])))
    assert len(part) == 10
    assert part.items() <= whole.items()


def members(kind: str, data: bytes) -> Iterator[tuple[str, bytes]]:
    if kind == "zip":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            yield from ((name, archive.read(name)) for name in archive.namelist())
    else:
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            for member in tar:
                file = tar.extractfile(member)
                assert file is not None
                yield member.name, file.read()


def test_a_zip_of_more_members_than_zip32_can_count() -> None:
    count = 33_000  # two members each, and 65,535 is where ZIP64 begins
    images = np.zeros((count, 1, 1), dtype=np.uint8)
    archive = begin("zip", count)
    data = io.BytesIO()
    for at in range(0, count, 1000):
        data.write(archive.add(batch(images[at : at + 1000], start=at)))
    data.write(archive.tail())
    assert b"PK\x06\x06" in data.getvalue()[-200:]  # ZIP64's end of the directory
    with zipfile.ZipFile(data) as read:
        assert len(read.namelist()) == 2 * count
        assert read.testzip() is None


def test_a_zip_that_grows_beyond_what_zip32_can_point_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond 2 GiB an offset is stored in ZIP64 form; here that limit is 50,000 bytes."""
    images = make_images(12)
    plain = write(begin("zip", 12), images)
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 50_000)
    large = write(begin("zip", 12), images)
    assert len(large) > len(plain)
    check_members(dict(members("zip", large)), images, 7, 0)


def test_local_headers_of_a_zip_are_complete() -> None:
    """A reader that cannot seek finds size and checksum of a member before its bytes."""
    data = write(begin("zip", 2), make_images(2), cuts=(1,))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for member in archive.infolist():
            header = data[member.header_offset : member.header_offset + 30]
            assert header[:4] == b"PK\x03\x04"
            assert int.from_bytes(header[14:18], "little") == member.CRC
            assert int.from_bytes(header[18:22], "little") == member.file_size


@pytest.mark.parametrize("kind", FORMATS)
def test_an_archive_takes_exactly_the_images_it_was_begun_for(kind: str) -> None:
    archive = begin(kind, 3, start=5)
    archive.head()
    archive.add(batch(make_images(2), start=5))
    with pytest.raises(ValueError, match="images from 7 to 7 are missing"):
        archive.tail()
    with pytest.raises(ValueError, match="the last image is 7, got"):
        archive.add(batch(make_images(2), start=7))
    with pytest.raises(ValueError, match="the next image is 7 of seed 7, got"):
        archive.add(batch(make_images(1), start=6))
    with pytest.raises(ValueError, match="the next image is 7 of seed 7, got"):
        archive.add(batch(make_images(1), seed=8, start=7))


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize(
    "images",
    [
        np.zeros((1, 128, 128), np.float32),
        np.zeros((128, 128), np.uint8),
        np.zeros((1, 128, 128, 3), np.uint8),
        np.zeros((2, 128, 128), np.uint8),
    ],
)
def test_what_is_no_batch_of_grey_levels_is_refused(kind: str, images: np.ndarray) -> None:
    with pytest.raises(ValueError, match="uint8"):
        begin(kind, 3).add(Batch(ImageRange(7, 0, 1), images))


def test_an_array_refuses_another_size() -> None:
    with pytest.raises(ValueError, match="128x128"):
        begin("npy", 1).add(batch(make_images(1, size=64)))


def test_memory_of_the_largest_streamed_zip_is_bounded() -> None:
    archive = begin("zip", 1600)
    images = np.zeros((16, 8, 8), np.uint8)
    first, *others = archive.images.parts()
    archive.add(Batch(first, images))  # what is allocated once
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for part in others:
            archive.add(Batch(part, images))
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (after - before) / (2 * 16 * len(others)) * MAX_STREAMED_FILES < 30e6
