"""The npz that goes out while it is made: any reader's, of the announced length, in little memory."""

from __future__ import annotations

import io
import tracemalloc
import zipfile
from contextlib import closing

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from endotwin.samples.npz import ArraySpec, NpzWriter

CONSTANTS = {"seed": np.array(7, "<u8"), "model": np.array("tiny")}


def growing(count: int) -> dict[str, ArraySpec]:
    return {
        "images": ArraySpec("|u1", (count, 3, 5)),
        "instances": ArraySpec("<u2", (count, 3, 5)),
        "density": ArraySpec("<f8", (count,)),
    }


def make_arrays(count: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(count)
    return {
        name: random.integers(0, 200, spec.shape).astype(spec.dtype)
        for name, spec in growing(count).items()
    }


def write(writer: NpzWriter, arrays: dict[str, np.ndarray], cut: int = 0) -> bytes:
    with closing(writer):
        parts = [{name: array[part] for name, array in arrays.items()} for part in np.s_[:cut, cut:]]
        return writer.head() + b"".join(map(writer.add, parts)) + b"".join(writer.rest())


def check(data: bytes, arrays: dict[str, np.ndarray]) -> None:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
    with np.load(io.BytesIO(data), allow_pickle=False) as read:
        assert list(read) == [*CONSTANTS, *arrays]
        for name, array in {**CONSTANTS, **arrays}.items():
            assert read[name].dtype == array.dtype
            assert np.array_equal(read[name], array)


@given(st.integers(0, 9), st.integers(0, 9))
def test_numpy_reads_it_and_its_length_was_announced(count: int, cut: int) -> None:
    arrays = make_arrays(count)
    writer = NpzWriter(CONSTANTS, growing(count))
    data = write(writer, arrays, cut)
    assert len(data) == writer.content_length
    assert data == write(NpzWriter(CONSTANTS, growing(count)), arrays)
    check(data, arrays)


@pytest.mark.parametrize("limit", [100, 1_000, 20_000, 25_000, 59_000])
def test_a_file_beyond_what_zip32_can_hold(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond 2 GiB a size or an offset is stored in ZIP64 form; here that limit is far smaller."""
    count = 1000  # 15,128 bytes of images, then 30,128, then 8,128
    arrays = make_arrays(count)
    plain = NpzWriter(CONSTANTS, growing(count)).content_length
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", limit)
    writer = NpzWriter(CONSTANTS, growing(count))
    data = write(writer, arrays)
    assert len(data) == writer.content_length
    assert (len(data) > plain) == (limit < 54_000)
    check(data, arrays)


def test_memory_does_not_grow_with_the_arrays() -> None:
    count, size = 96, 1 << 18
    spec = ArraySpec("|u1", (count, size))
    piece = np.random.default_rng(0).integers(0, 256, (1, size), dtype=np.uint8)  # shrinks by nothing
    tracemalloc.start()
    try:
        with closing(NpzWriter({}, {"images": spec, "waits": spec})) as writer:
            length = len(writer.head())
            for _ in range(count):
                length += len(writer.add({"images": piece, "waits": piece}))
            length += sum(map(len, writer.rest()))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert length == writer.content_length > 48 << 20
    assert peak < 6 << 20


@pytest.mark.parametrize("after", ["nothing", "head", "add"])
def test_one_that_is_given_up_closes_its_files(after: str) -> None:
    arrays = make_arrays(5)
    writer = NpzWriter(CONSTANTS, growing(9))
    if after != "nothing":
        writer.head()
    if after == "add":
        writer.add(arrays)
    writer.close()
    writer.close()
    with pytest.raises((ValueError, AssertionError)):
        writer.add(arrays)


def test_what_was_not_announced_is_refused() -> None:
    with closing(NpzWriter({}, {"images": ArraySpec("|u1", (4, 3))})) as writer:
        writer.head()
        with pytest.raises(ValueError, match=r"items of images must have shape \(3,\), got \(2,\)"):
            writer.add({"images": np.zeros((4, 2), np.uint8)})
        with pytest.raises(TypeError, match="equiv"):
            writer.add({"images": np.zeros((4, 3), np.float64)})
