"""The size of images: how it is written, its limits, and what counts by pixels."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from endotwin.field_size import LARGEST_SIDE, STANDARD, FieldSize, parse_size
from endotwin.image_range import BATCH, IMAGE_SIZE
from endotwin.samples.conditions import parse_conditions
from endotwin.samples.labelling import Labelling, LabellingError

SIDES = st.integers(IMAGE_SIZE, LARGEST_SIDE)


@given(SIDES, SIDES)
def test_a_size_is_read_as_it_is_written(width: int, height: int) -> None:
    size = FieldSize(width, height)
    assert parse_size(str(size)) == size
    labelling = Labelling((), parse_conditions({"size": str(size)}))
    assert labelling.size == size
    assert labelling.query == ("" if size == STANDARD else f"size={width}x{height}")


@given(SIDES, SIDES, st.integers(1, 10**6))
def test_what_counts_by_pixels_is_never_beyond_the_limit(width: int, height: int, images: int) -> None:
    size = FieldSize(width, height)
    assert size.most(size.count_as(images)) >= images
    assert size.count_as(size.most(images)) <= max(images, size.count_as(1))
    assert BATCH % size.images_at_once == 0
    assert size.images_at_once * size.pixels <= max(BATCH * STANDARD.pixels, size.pixels)
    assert size.images_at_once == BATCH or size != STANDARD


@pytest.mark.parametrize(
    "text",
    ["127x128", "128x1025", "1024", "128×128", "128X128", "128x128x128", "0128x128", " 128x128", "x", ""],
)
def test_another_size_is_refused_with_what_is_allowed(text: str) -> None:
    with pytest.raises(
        LabellingError, match="size must be WIDTHxHEIGHT in pixels, 128 to 1024 each"
    ) as found:
        parse_conditions({"size": text})
    assert found.value.field == "size"


def test_the_usual_size_is_no_condition() -> None:
    assert parse_conditions({"size": "128x128"}) is None
