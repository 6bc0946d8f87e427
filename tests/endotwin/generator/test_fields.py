"""Fields larger than 128 × 128: the same bytes however they are made, and labels of the whole field."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from mosaic_draws import fixed

from endotwin.field_size import STANDARD, FieldSize
from endotwin.generator.batch import Batch, images_at_once
from endotwin.generator.checkpoint import Checkpoint, load_checkpoint
from endotwin.generator.labelled import LabelledGenerator
from endotwin.generator.latents import draw_normals, size_stream
from endotwin.generator.sampler import Sampler
from endotwin.image_range import BATCH, ImageRange
from endotwin.mosaic.parameters import Conditions
from endotwin.mosaic.scene import draw_scene, scene_numbers
from endotwin.settings import SHIPPED_CHECKPOINTS

SIZE = FieldSize(270, 133)
CONDITIONS = Conditions(size=SIZE, guttae=fixed(0.1), density=fixed(2500.0))


@cache
def shipped() -> Checkpoint:
    return load_checkpoint(SHIPPED_CHECKPOINTS / "labelled.safetensors")


@cache
def field() -> Batch:
    return Sampler(shipped()).batch(ImageRange(7, 5, 1), CONDITIONS)


def test_a_field_and_its_label_have_its_size() -> None:
    image, [label] = field().images[0], field().labels()
    assert image.shape == SIZE.shape
    for name in ("borders", "soft", "instances", "guttae", "visible"):
        assert getattr(label, name).shape == SIZE.shape
    assert label.measured.guttae == pytest.approx(0.1, abs=0.5 / SIZE.pixels)
    counted = [cell for cell in label.cells if cell.counted]
    assert len(counted) == label.measured.cells
    assert all(0.0 <= cell.x < SIZE.width and 0.0 <= cell.y < SIZE.height for cell in counted)
    square_millimetres = SIZE.pixels * (0.9 / 1000.0) ** 2
    assert label.measured.density == pytest.approx(len(counted) / square_millimetres)
    assert label.measured.density == pytest.approx(2500.0, rel=0.08)
    assert label.measured.clarity == pytest.approx(label.asked.clarity, abs=0.2)


def test_every_pixel_is_in_the_cell_that_it_is_nearest_to() -> None:
    [scene] = field().scenes
    found = scene.mosaic.tessellation
    rows, columns = np.mgrid[0 : SIZE.height : 7, 0 : SIZE.width : 7]
    to_sites = (columns[..., None] + 0.5 - found.sites[:, 0]) ** 2
    to_sites += (rows[..., None] + 0.5 - found.sites[:, 1]) ** 2
    distances = np.where(found.areas > 0.0, to_sites - found.weights, np.inf)
    np.testing.assert_array_equal(distances.argmin(axis=2), scene.raster.owner[::7, ::7])


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_bytes_depend_neither_on_the_request_nor_on_threads(threads: int) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        sampler = Sampler(shipped())
        images = [batch.images for batch in sampler.batches(ImageRange(7, 4, 2), CONDITIONS)]
    finally:
        torch.set_num_threads(before)
    np.testing.assert_array_equal(np.concatenate(images)[1], field().images[0])


def test_batches_shrink_as_images_grow() -> None:
    sampler = Sampler(shipped())
    for size, at_once in ((STANDARD, 16), (FieldSize(160, 136), 8), (SIZE, 4), (FieldSize(1024, 128), 2)):
        assert images_at_once(Conditions(size=size)) == size.images_at_once == at_once
    assert images_at_once(Conditions(size=FieldSize(1024, 1024))) == 1
    # Fields share a run with nothing else.
    assert sampler.rows(ImageRange(0, 0, 1), CONDITIONS) == BATCH


def test_sizes_share_no_random_numbers() -> None:
    streams = {size_stream(FieldSize(w, h)) for w in range(128, 1025, 64) for h in range(128, 1025, 64)}
    assert len(streams) == 15**2
    assert all(stream % 2**16 == 0 for stream in streams)


def test_no_part_of_a_field_comes_twice() -> None:
    """Neither cells nor light nor noise repeat after 128 pixels, as they would if anything were tiled."""
    conditions = Conditions(size=FieldSize(400, 128), density=fixed(2500.0), clarity=fixed(20.0))
    image = Sampler(shipped()).batch(ImageRange(3, 0, 1), conditions).images[0].astype(float)
    fine = image - np.apply_along_axis(lambda row: np.convolve(row, np.ones(41) / 41, "same"), 1, image)
    fine = (fine - fine.mean()) / fine.std()
    shifted = [float((fine[:, lag:] * fine[:, :-lag]).mean()) for lag in range(100, 257)]
    assert max(map(abs, shifted)) < 0.2


@pytest.mark.parametrize(("cv", "hexagonality"), [(0.3, 0.55), (0.16, 0.8), (0.45, 0.5)])
def test_a_field_meets_what_was_asked_for(cv: float, hexagonality: float) -> None:
    size = FieldSize(640, 480)
    asked = Conditions(size=size, density=fixed(2500.0), cv=fixed(cv), hexagonality=fixed(hexagonality))
    [numbers] = draw_normals(ImageRange(1, 0, 1), scene_numbers(size), size_stream(size))
    architecture = shipped().card.architecture
    assert isinstance(shipped().generator, LabelledGenerator)
    scene = draw_scene(numbers, asked, architecture.population, None)  # type: ignore[union-attr]
    measured = scene.label().measured
    assert measured.density == pytest.approx(2500.0, rel=0.02)
    assert measured.cv == pytest.approx(cv, rel=0.1)
    assert measured.hexagonality == pytest.approx(hexagonality, abs=0.08)
