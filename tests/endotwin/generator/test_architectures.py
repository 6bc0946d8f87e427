"""The paper's networks to the letter, and what every generator has in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from endotwin.generator.architectures import PRESETS, Architecture, build_generator, to_grey_levels
from endotwin.generator.compact import MosaicArchitecture
from endotwin.generator.dcgan import DcganArchitecture
from endotwin.generator.latents import draw_normals
from endotwin.image_range import IMAGE_SIZE, ImageRange
from training.learning.discriminators.dcgan import DcganDiscriminator

PAPER = PRESETS["paper"]
CHANNELS = (2048, 1024, 512, 256, 128)
SMALL = [DcganArchitecture(channels=(16, 16, 8, 8, 8)), MosaicArchitecture(latent=8, width=8)]


@pytest.fixture(scope="module")
def paper_generator() -> nn.Module:
    """Return the paper's generator without memory behind its 70 million weights."""
    with torch.device("meta"):
        return build_generator(PAPER)


@pytest.fixture(scope="module")
def paper_discriminator() -> nn.Module:
    assert isinstance(PAPER, DcganArchitecture)
    with torch.device("meta"):
        return DcganDiscriminator(PAPER)


def kinds(network: nn.Module) -> list[type[nn.Module]]:
    return [type(module) for module in network.modules() if not list(module.children())]


def shapes_after(network: nn.Module, kind: type[nn.Module], given: Tensor) -> list[tuple[int, ...]]:
    """Return the shape after each layer of a kind, batch left out."""
    shapes: list[tuple[int, ...]] = []
    for module in network.modules():
        if isinstance(module, kind):
            module.register_forward_hook(lambda _module, _given, out: shapes.append(tuple(out.shape[1:])))
    network(given)
    return shapes


def parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def test_layers_of_the_paper_generator(paper_generator: nn.Module) -> None:
    block = [nn.ConvTranspose2d, nn.BatchNorm2d, nn.LeakyReLU]
    assert kinds(paper_generator) == block * 5 + [nn.ConvTranspose2d, nn.Tanh]


def test_shapes_of_the_paper_generator(paper_generator: nn.Module) -> None:
    shapes = shapes_after(paper_generator, nn.ConvTranspose2d, torch.zeros(2, 16, device="meta"))
    assert shapes == [
        (2048, 4, 4),
        (1024, 8, 8),
        (512, 16, 16),
        (256, 32, 32),
        (128, 64, 64),
        (1, 128, 128),
    ]


def test_kernels_of_the_paper_generator(paper_generator: nn.Module) -> None:
    layers = [module for module in paper_generator.modules() if isinstance(module, nn.ConvTranspose2d)]
    assert {layer.kernel_size for layer in layers} == {(5, 5)}
    assert {layer.stride for layer in layers} == {(2, 2)}
    assert {layer.output_padding for layer in layers} == {(1, 1)}
    assert [layer.padding for layer in layers] == [(1, 1)] + [(2, 2)] * 5
    slopes = {
        module.negative_slope for module in paper_generator.modules() if isinstance(module, nn.LeakyReLU)
    }
    assert slopes == {0.2}


def test_parameters_of_the_paper_generator(paper_generator: nn.Module) -> None:
    widths = (16, *CHANNELS)
    kernels = sum(25 * a * b for a, b in pairwise(widths))
    normalisations = sum(2 * c for c in CHANNELS)
    last = 25 * 128 + 1
    assert kernels + normalisations + last == 70_462_337
    assert parameters(paper_generator) == 70_462_337


def test_the_discriminator_mirrors_the_generator(paper_discriminator: nn.Module) -> None:
    block = [nn.Conv2d, nn.BatchNorm2d, nn.LeakyReLU]
    assert kinds(paper_discriminator) == [nn.Conv2d, nn.LeakyReLU] + block * 4 + [nn.Conv2d]
    layers = [module for module in paper_discriminator.modules() if isinstance(module, nn.Conv2d)]
    assert {(layer.kernel_size, layer.stride) for layer in layers} == {((5, 5), (2, 2))}
    images = torch.zeros(2, 1, 128, 128, device="meta")
    assert shapes_after(paper_discriminator, nn.Conv2d, images) == [
        (128, 64, 64),
        (256, 32, 32),
        (512, 16, 16),
        (1024, 8, 8),
        (2048, 4, 4),
        (1, 1, 1),
    ]
    assert paper_discriminator(images).shape == (2,)


def test_parameters_of_the_paper_discriminator(paper_discriminator: nn.Module) -> None:
    widths = CHANNELS[::-1]
    kernels = sum(25 * a * b for a, b in pairwise(widths))
    normalisations = sum(2 * c for c in widths[1:])  # the layer that sees the pixels has a bias instead
    first, last = 25 * 128 + 128, 25 * 2048 + 1
    assert kernels + normalisations + first + last == 69_694_209
    assert parameters(paper_discriminator) == 69_694_209


def test_weights_start_as_in_dcgan() -> None:
    torch.manual_seed(0)
    generator = build_generator(DcganArchitecture(channels=(64, 32, 16, 8, 8)))
    kernel = next(m.weight.detach() for m in generator.modules() if isinstance(m, nn.ConvTranspose2d))
    assert float(kernel.std()) == pytest.approx(0.02, rel=5 / (2 * kernel.numel()) ** 0.5)
    assert abs(float(kernel.mean())) < 5 * 0.02 / kernel.numel() ** 0.5


def test_compact_is_small_enough_for_git() -> None:
    generator = build_generator(PRESETS["compact"])
    assert 4 * sum(tensor.numel() for tensor in generator.state_dict().values()) < 25_000_000


@pytest.mark.parametrize("architecture", [*SMALL, PRESETS["compact"]], ids=["dcgan", "mosaic", "compact"])
def test_images_have_the_stated_shape_and_range(architecture: Architecture) -> None:
    generator = build_generator(architecture).eval()
    with torch.inference_mode():
        images = generator(torch.from_numpy(draw_normals(ImageRange(1, 0, 4), generator.draws)))
    assert images.shape == (4, 1, IMAGE_SIZE, IMAGE_SIZE)
    assert float(images.abs().max()) <= 1.0
    assert len({image.numpy().tobytes() for image in images}) == 4


@pytest.mark.parametrize("architecture", SMALL, ids=["dcgan", "mosaic"])
def test_an_image_depends_on_its_own_numbers_only(architecture: Architecture) -> None:
    generator = build_generator(architecture).eval()
    draws = torch.from_numpy(draw_normals(ImageRange(1, 0, 3), generator.draws))
    changed = draws.clone()
    changed[1] += 1.0
    with torch.inference_mode():
        before, after = generator(draws), generator(changed)
    assert torch.equal(before[[0, 2]], after[[0, 2]])
    assert not torch.equal(before[1], after[1])


def parts_of_mosaic_draws(latent: int) -> Iterator[tuple[str, int]]:
    """Yield what the numbers of a mosaic generator are for, and how many there are of each."""
    yield from [("style", latent), ("lattice", 8), ("sites", 24 * 24 * 4), ("warp", 32), ("light", 32)]
    yield from [("slope", 2), ("rows", 128), ("noise 16", 4 * 16**2), ("noise 32", 2 * 32**2)]
    yield from [("noise 64", 64**2), ("noise 128", 128**2)]


def test_every_part_of_the_draws_reaches_the_image() -> None:
    torch.manual_seed(2)
    generator = build_generator(MosaicArchitecture(latent=8, width=8)).eval()
    draws = torch.from_numpy(draw_normals(ImageRange(1, 0, 1), generator.draws))
    with torch.inference_mode():
        image = generator(draws)
        at = 0
        for name, count in parts_of_mosaic_draws(8):
            changed = draws.clone()
            changed[:, at : at + count] *= -1.0
            at += count
            assert not torch.equal(generator(changed), image), name
    assert at == generator.draws


def test_the_presets_are_the_ones_of_the_issue() -> None:
    assert DcganArchitecture(latent=16, channels=CHANNELS) == PRESETS["paper"]
    assert isinstance(PRESETS["compact"], MosaicArchitecture)


def test_grey_levels_round_to_nearest_and_stay_in_range() -> None:
    levels = torch.arange(256.0)
    images = (levels / 127.5 - 1.0).reshape(1, 1, 16, 16)
    assert torch.equal(to_grey_levels(images).flatten(), levels.to(torch.uint8))
    near = images + 0.49 / 127.5
    assert torch.equal(to_grey_levels(near).flatten()[:-1], levels.to(torch.uint8)[:-1])
    beyond = torch.tensor([-7.0, -1.0, 1.0, 7.0]).reshape(1, 1, 2, 2)
    assert to_grey_levels(beyond).flatten().tolist() == [0, 0, 255, 255]
    assert to_grey_levels(images.bfloat16()).dtype == torch.uint8


@pytest.mark.parametrize(
    "make",
    [
        lambda: DcganArchitecture(latent=0),
        lambda: DcganArchitecture(channels=(8, 8, 8, 8)),  # type: ignore[arg-type]
        lambda: MosaicArchitecture(width=12),
        lambda: MosaicArchitecture(width=0),
        lambda: MosaicArchitecture(spacing_median=5.0),
        lambda: MosaicArchitecture(depth=3),  # type: ignore[call-arg]
    ],
)
def test_an_architecture_that_cannot_be_built_is_refused(make: Callable[[], Architecture]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        make()
