from __future__ import annotations

import io
import zlib

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from endotwin.samples.png import encode_png, encode_pngs

IMAGES = st.tuples(st.integers(1, 40), st.integers(1, 40)).flatmap(lambda shape: arrays(np.uint8, shape))


@given(IMAGES)
def test_pixels_survive(image: np.ndarray) -> None:
    with Image.open(io.BytesIO(encode_png(image))) as read:
        assert read.mode == "L"
        assert np.array_equal(np.asarray(read), image)


def test_a_file_holds_nothing_but_the_pixels() -> None:
    png = encode_png(np.arange(128 * 128, dtype=np.uint8).reshape(128, 128))
    chunks = []
    at = 8
    while at < len(png):
        length = int.from_bytes(png[at : at + 4], "big")
        kind, content = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        assert int.from_bytes(png[at + 8 + length : at + 12 + length], "big") == zlib.crc32(kind + content)
        chunks.append(kind)
        at += 12 + length
    assert set(chunks) == {b"IHDR", b"IDAT", b"IEND"}
    depth, colour = png[24], png[25]
    assert (depth, colour) == (8, 0)


def test_many_at_once_are_the_same_files_in_order() -> None:
    images = np.random.default_rng(0).integers(0, 256, (50, 128, 128), dtype=np.uint8)
    assert encode_pngs(images) == [encode_png(image) for image in images]


def test_an_array_that_is_a_view_is_encoded_as_it_looks() -> None:
    image = np.arange(64, dtype=np.uint8).reshape(8, 8)
    assert encode_png(image.T) == encode_png(np.ascontiguousarray(image.T))
