"""Labels as an expert draws them: how far off, of which images, and everywhere the same."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from mosaic_draws import draw_scenes
from scipy import ndimage

from endotwin.generator.batch import Batch
from endotwin.generator.checkpoint import load_checkpoint
from endotwin.generator.latents import draw_normals
from endotwin.generator.sampler import Sampler
from endotwin.image_range import ImageRange
from endotwin.mosaic.expert_hand import DISPLACEMENT, SHIFT, Hand, conditions_of_image
from endotwin.mosaic.parameters import DENSITY, Conditions, Range
from endotwin.mosaic.raster import draw_borders, rasterise

HAND = Conditions(expert_hand=True)


@pytest.fixture(scope="module")
def sampler(labelled_checkpoint: Path) -> Sampler:
    return Sampler(load_checkpoint(labelled_checkpoint))


def test_a_hand_wavers_as_far_as_it_says() -> None:
    fields = np.stack([Hand(7, index).displacement() for index in range(60)])
    assert fields.shape == (60, 2, 128, 128)
    assert fields.mean() == pytest.approx(0.0, abs=0.1)
    shared = fields.mean(axis=(2, 3), keepdims=True)
    assert shared.std() == pytest.approx(SHIFT, rel=0.3)
    assert (fields - shared).std() == pytest.approx(DISPLACEMENT, rel=0.05)
    assert np.abs(np.diff(fields, axis=3)).max() < 0.9  # smooth: no border is folded


def test_another_image_has_another_hand_and_the_same_one_the_same() -> None:
    drawn = [Hand(*of).displacement() for of in ((7, 3), (7, 3), (7, 4), (8, 3))]
    assert np.array_equal(drawn[0], drawn[1])
    for other in drawn[2:]:
        assert abs(np.corrcoef(drawn[0].ravel(), other.ravel())[0, 1]) < 0.2


def test_its_numbers_are_not_those_of_the_images() -> None:
    images = ImageRange(7, 3, 1)
    own, hand = draw_normals(images, 5000), draw_normals(images, 5000, stream=1)
    assert abs(np.corrcoef(own.ravel(), hand.ravel())[0, 1]) < 0.05


def test_a_moved_raster_shows_the_mosaic_elsewhere() -> None:
    """Looked at three pixels below and two to the right, it lies three higher and two to the left."""
    [scene] = draw_scenes(3, 1)
    there = np.empty((2, 128, 128))
    there[0], there[1] = 3.0, 2.0
    moved = rasterise(scene.mosaic, there)
    assert np.array_equal(moved.owner[:-3, :-2], scene.raster.owner[3:, 2:])
    np.testing.assert_allclose(moved.border[:-3, :-2], scene.raster.border[3:, 2:], atol=1e-5)


def distances(drawn: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """Return how far the borders of one label lie from those of another, away from the image's edge."""
    away = ndimage.distance_transform_edt(exact == 0)
    inside = np.s_[6:-6, 6:-6]
    return away[inside][drawn[inside] > 0]


def test_borders_are_displaced_by_a_pixel_or_so_and_stay_whole(sampler: Sampler) -> None:
    batch = sampler.batch(ImageRange(7, 0, 16), HAND)
    away = []
    for scene, image in zip(batch.scenes, batch.images, strict=True):
        drawn = scene.label(image)
        exact = 255 * draw_borders(scene.raster)
        away.append(distances(drawn.borders, exact))
        away.append(distances(exact, drawn.borders))
        assert ((drawn.instances == 0) == (drawn.borders > 0)).all()
        assert (drawn.soft[drawn.borders > 0] > 150).all()
        assert drawn.borders.astype(bool).sum() == pytest.approx((exact > 0).sum(), rel=0.1)
        # No border breaks: every cell is one piece, and none grows together with another.
        pieces = [ndimage.label(drawn.instances == cell.id)[1] for cell in drawn.cells]
        assert set(pieces) == {1}
    found = np.concatenate(away)
    assert 0.3 < found.mean() < 1.0
    assert np.quantile(found, 0.99) < 4


def asked_of(batch: Batch) -> list[tuple[float, float, float]]:
    parameters = [scene.parameters for scene in batch.scenes]
    return [(one.cv, one.hexagonality, one.guttae) for one in parameters]


def test_every_other_image_is_regular_and_none_has_guttae(sampler: Sampler) -> None:
    batch = sampler.batch(ImageRange(7, 0, 16), HAND)
    plain = sampler.batch(ImageRange(7, 0, 16))
    for index, (found, usual) in enumerate(zip(asked_of(batch), asked_of(plain), strict=True)):
        assert found[2] == 0.0
        if index % 2:
            assert 0.15 <= found[0] <= 0.28
            assert 0.65 <= found[1] <= 0.85
        else:
            assert found[:2] == usual[:2]
    # An image without guttae whose mosaic is as it comes is the same with and without the option.
    same = [index for index in range(0, 16, 4) if asked_of(plain)[index][2] == 0.0]
    assert same
    for index in same:
        assert np.array_equal(batch.images[index], plain.images[index])


def test_of_four_images_one_has_large_and_one_small_cells(sampler: Sampler) -> None:
    densities = [scene.parameters.density for scene in sampler.batch(ImageRange(7, 0, 16), HAND).scenes]
    usual = [scene.parameters.density for scene in sampler.batch(ImageRange(7, 0, 16)).scenes]
    assert [densities[k] for k in range(16) if k % 4 < 2] == [usual[k] for k in range(16) if k % 4 < 2]
    assert all(600 <= density <= 1600 for density in densities[2::4])
    assert all(2400 <= density <= 4400 for density in densities[3::4])


@pytest.mark.parametrize("index", [2, 3])
def test_cells_have_as_many_pixels_at_another_pixel_size(index: int) -> None:
    usual, fine = (
        conditions_of_image(Conditions(expert_hand=True, pixel_size=size), index).density
        for size in (0.9, 0.8)
    )
    assert usual is not None
    assert fine is not None
    assert fine.low == pytest.approx(usual.low * (0.9 / 0.8) ** 2)
    assert fine.high == pytest.approx(min(usual.high * (0.9 / 0.8) ** 2, DENSITY[1]))
    # Where no density that can be asked for gives such cells, none is asked for.
    far = conditions_of_image(Conditions(expert_hand=True, pixel_size=0.3), index)
    assert far.density is None


@pytest.mark.parametrize(
    ("more", "regular"),
    [({"cv": Range(low=0.4, high=0.4)}, False), ({"density": Range(low=2000, high=2000)}, True)],
)
def test_what_is_asked_is_kept_to(sampler: Sampler, more: dict[str, Range], regular: bool) -> None:
    guttae = Range(low=0.1, high=0.1)
    asked = Conditions(expert_hand=True, guttae=guttae, **more)
    batch = sampler.batch(ImageRange(7, 0, 16), asked)
    assert {scene.parameters.guttae for scene in batch.scenes} == {0.1}
    assert all(scene.parameters.hexagonality >= 0.65 for scene in batch.scenes[1::2]) == regular
    if regular:
        assert {scene.parameters.density for scene in batch.scenes} == {2000}
    else:
        assert {scene.parameters.cv for scene in batch.scenes} == {0.4}


def test_it_depends_on_seed_and_index_alone(sampler: Sampler) -> None:
    whole = [label for batch in sampler.batches(ImageRange(7, 0, 40), HAND) for label in batch.labels()]
    part = [label for batch in sampler.batches(ImageRange(7, 19, 3), HAND) for label in batch.labels()]
    for one, other in zip(part, whole[19:22], strict=True):
        assert np.array_equal(one.borders, other.borders)
        assert np.array_equal(one.instances, other.instances)


def test_borders_are_those_of_other_machines() -> None:
    """Drawn on Linux with an x86-64 processor; the same without AVX and fused operations."""
    [scene] = draw_scenes(3, 1)
    drawn = draw_borders(rasterise(scene.mosaic, Hand(7, 3).displacement()))
    digest = "22c9af2549c60eabd4a6c971022fdb73fa8eda577f6ad80a0ea37488fa9f690e"
    assert hashlib.sha256(drawn.tobytes()).hexdigest() == digest
