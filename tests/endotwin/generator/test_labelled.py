"""The labelled generator: scenes and what they look like, the same alone and beside others."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from endotwin.generator.architectures import PRESETS, build_generator
from endotwin.generator.labelled import LabelledArchitecture, LabelledGenerator
from endotwin.generator.latents import draw_normals
from endotwin.image_range import IMAGE_SIZE, ImageRange
from endotwin.mosaic.parameters import PARAMETER_NUMBERS, Conditions, ImagePopulation, Range
from endotwin.mosaic.scene import SCENE_NUMBERS, Scene

COUNT = 4


@pytest.fixture(scope="module")
def generator() -> LabelledGenerator:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return LabelledGenerator(LabelledArchitecture(latent=8, width=8)).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def draws(generator: LabelledGenerator) -> Tensor:
    return torch.from_numpy(draw_normals(ImageRange(11, 0, COUNT), generator.draws))


@pytest.fixture(scope="module")
def scenes(generator: LabelledGenerator, draws: Tensor) -> list[Scene]:
    return generator.draw_scenes(draws.numpy(), Conditions())


def test_unasked_it_draws_scenes_without_conditions(
    generator: LabelledGenerator, draws: Tensor, scenes: list[Scene]
) -> None:
    images = generator(draws)
    assert images.shape == (COUNT, 1, IMAGE_SIZE, IMAGE_SIZE)
    assert images.dtype == torch.float32
    assert torch.equal(images, generator.render_scenes(draws, scenes))
    assert float(images.abs().max()) <= 1.0
    assert len({float(image.mean()) for image in images}) == COUNT


def test_an_image_is_the_same_alone_and_beside_others(
    generator: LabelledGenerator, draws: Tensor, scenes: list[Scene]
) -> None:
    together = generator.render_scenes(draws, scenes)
    for k in range(COUNT):
        alone = generator(draws[k : k + 1])
        torch.testing.assert_close(alone[0], together[k], atol=1e-5, rtol=0)
    turned = generator.render_scenes(draws.flip(0), scenes[::-1])
    torch.testing.assert_close(turned.flip(0), together, atol=1e-5, rtol=0)


def test_every_number_is_used(generator: LabelledGenerator, draws: Tensor) -> None:
    """The last number of a row is the last of the finest noise: none is left over or read twice."""
    row = draws[:1]
    base = generator(row)
    changed = row.clone()
    changed[0, -1] += 3.0
    different = (generator(changed) - base).abs()[0, 0]
    assert float(different[-3:, -3:].max()) > 0
    with pytest.raises(RuntimeError):
        generator(row[:, :-1])
    assert generator.draws == row.shape[1]
    assert generator.draws > SCENE_NUMBERS


def test_the_style_does_not_touch_the_scene(generator: LabelledGenerator, draws: Tensor) -> None:
    changed = draws.clone()
    changed[:, SCENE_NUMBERS:] += 1.0
    for one, other in zip(
        generator.draw_scenes(draws.numpy(), Conditions()),
        generator.draw_scenes(changed.numpy(), Conditions()),
        strict=True,
    ):
        assert one.parameters == other.parameters
        np.testing.assert_array_equal(one.raster.border, other.raster.border)
    assert not torch.equal(generator(changed), generator(draws))


def test_conditions_reach_the_scenes_and_the_images(generator: LabelledGenerator, draws: Tensor) -> None:
    asked = Conditions(density=Range(low=4000, high=4000))
    dense = generator.draw_scenes(draws.numpy(), asked)
    assert {scene.parameters.density for scene in dense} == {4000.0}
    assert not torch.equal(generator.render_scenes(draws, dense), generator(draws))


def test_it_draws_the_population_of_its_architecture() -> None:
    population = ImagePopulation(area_median=300.0, area_log_sd=0.0, guttae_share=0.0)
    generator = LabelledGenerator(LabelledArchitecture(latent=8, width=8, population=population))
    numbers = draw_normals(ImageRange(1, 0, 3), generator.draws)
    scenes = generator.draw_scenes(numbers, Conditions())
    assert [scene.parameters.cell_area for scene in scenes] == pytest.approx([300.0] * 3)
    assert not any(scene.guttae.any() for scene in scenes)


def test_guttae_darken_and_blur_what_they_cover(
    generator: LabelledGenerator, draws: Tensor, scenes: list[Scene]
) -> None:
    corner = np.zeros((IMAGE_SIZE, IMAGE_SIZE), dtype=bool)
    corner[:64, :64] = True
    bare = [dataclasses.replace(scene, guttae=np.zeros_like(corner)) for scene in scenes]
    covered = [dataclasses.replace(scene, guttae=corner) for scene in scenes]
    before, after = (generator.render_scenes(draws, each)[:, 0] for each in (bare, covered))
    inside, outside = np.s_[:, :48, :48], np.s_[:, 96:, 96:]
    light_before, light_after = before[inside] + 1.0, after[inside] + 1.0
    assert (light_after.mean(dim=(1, 2)) < 0.9 * light_before.mean(dim=(1, 2))).all()
    assert (light_after.std(dim=(1, 2)) < 0.7 * light_before.std(dim=(1, 2))).all()
    # Far away only the networks's normalisation over the whole image tells of them.
    far = (after[outside] - before[outside]).abs().mean()
    near = (after[inside] - before[inside]).abs().mean()
    assert float(far) < 0.3 * float(near)


def test_how_dark_guttae_are_is_drawn(generator: LabelledGenerator) -> None:
    numbers = torch.from_numpy(draw_normals(ImageRange(5, 0, 1), generator.draws)).repeat(2, 1)
    scenes = generator.draw_scenes(numbers.numpy(), Conditions(guttae=Range(low=0.4, high=0.4)))
    depth = SCENE_NUMBERS + 8 + 1 + 2 * 4**2 + 2
    numbers[0, depth], numbers[1, depth] = -2.0, 2.0
    shallow, deep = generator.render_scenes(numbers, scenes)[:, 0][:, torch.from_numpy(scenes[0].guttae)]
    assert float(deep.mean()) < float(shallow.mean()) - 0.1


def test_no_convolution_pads_with_zeros(generator: LabelledGenerator) -> None:
    wide = [m for m in generator.modules() if isinstance(m, nn.Conv2d) and m.kernel_size != (1, 1)]
    assert wide
    for convolution in wide:
        flat = convolution(torch.ones(1, convolution.in_channels, 32, 32))[0]
        spread = flat.amax(dim=(1, 2)) - flat.amin(dim=(1, 2))
        assert float(spread.max()) < 1e-5  # zeros would make the edge of a flat field differ


def test_images_have_no_frame(generator: LabelledGenerator) -> None:
    """Over many images, the pixels of the edge are as bright and as varied as those inside."""
    images = torch.cat(
        [generator(torch.from_numpy(draw_normals(ImageRange(2, k, 16), generator.draws))) for k in (0, 16)]
    )
    images = images - images.mean(dim=(2, 3), keepdim=True)
    mean, spread = images.mean(dim=0)[0], images.std(dim=0)[0]
    edge = torch.ones(IMAGE_SIZE, IMAGE_SIZE, dtype=torch.bool)
    edge[1:-1, 1:-1] = False
    inside = torch.zeros_like(edge)
    inside[8:-8, 8:-8] = True
    chance = float(spread[inside].mean()) / len(images) ** 0.5
    assert abs(float(mean[edge].mean() - mean[inside].mean())) < chance
    assert float(spread[edge].mean()) == pytest.approx(float(spread[inside].mean()), rel=0.25)


def test_gradients_reach_every_weight(draws: Tensor, scenes: list[Scene]) -> None:
    generator = LabelledGenerator(LabelledArchitecture(latent=8, width=8))
    generator.render_scenes(draws, scenes).square().mean().backward()
    for name, parameter in generator.named_parameters():
        assert parameter.grad is not None, name
        assert float(parameter.grad.abs().sum()) > 0, name


def test_labels_do_not_depend_on_threads(generator: LabelledGenerator, draws: Tensor) -> None:
    before = torch.get_num_threads()
    try:
        labels = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            labels.append([s.label() for s in generator.draw_scenes(draws.numpy(), Conditions())])
    finally:
        torch.set_num_threads(before)
    for one, other in zip(*labels, strict=True):
        assert one.cells == other.cells
        np.testing.assert_array_equal(one.instances, other.instances)


def test_the_preset_builds_it() -> None:
    generator = build_generator(PRESETS["labelled"])
    assert isinstance(generator, LabelledGenerator)
    assert generator.draws > SCENE_NUMBERS > PARAMETER_NUMBERS
