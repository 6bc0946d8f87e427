"""Starting from another generator's weights: what fits is taken, what does not is named."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from tiny_checkpoints import TINY, make_card

from endotwin.generator.architectures import Generator, build_generator
from endotwin.generator.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from endotwin.generator.compact import MosaicArchitecture
from endotwin.generator.dcgan import DcganArchitecture
from endotwin.generator.instruments import Instrument
from endotwin.generator.labelled import LabelledArchitecture, LabelledGenerator
from endotwin.generator.latents import draw_normals
from endotwin.image_range import ImageRange
from training.learning.warm_start import WarmStartError, start_from


@pytest.fixture
def checkpoint(tiny_checkpoint: Path) -> Checkpoint:
    return load_checkpoint(tiny_checkpoint)


def fresh(architecture: MosaicArchitecture | LabelledArchitecture) -> Generator:
    with torch.random.fork_rng():
        torch.manual_seed(9)
        return build_generator(architecture)


def fields_video_and_noise() -> tuple[torch.Tensor, torch.Tensor, dict[int, torch.Tensor]]:
    """Return random inputs of `RenderingNetwork.render`."""
    noise = {
        size: torch.randn(1, channels, size, size)
        for size, channels in {16: 4, 32: 2, 64: 1, 128: 1}.items()
    }
    return torch.randn(1, 10, 64, 64), torch.randn(1, 2, 128, 128), noise


def test_the_same_network_becomes_the_same(checkpoint: Checkpoint) -> None:
    generator = fresh(TINY).eval()
    draws = torch.from_numpy(draw_normals(ImageRange(1, 0, 2), generator.draws))
    with torch.inference_mode():
        assert not torch.equal(generator(draws), checkpoint.generator(draws))
        start_from(generator, checkpoint)
        assert torch.equal(generator(draws), checkpoint.generator(draws))


def test_a_labelled_generator_starts_from_an_unlabelled_one(checkpoint: Checkpoint) -> None:
    """Its additional fields, which come last, are without effect at first."""
    generator = fresh(LabelledArchitecture(latent=TINY.latent, width=TINY.width))
    assert isinstance(generator, LabelledGenerator)
    start_from(generator, checkpoint)
    old, new = checkpoint.generator.state_dict(), generator.state_dict()
    wider = [key for key in old if old[key].shape != new[key].shape]
    assert wider == ["up128.0.convolution.weight"]
    for key, weight in old.items():
        have = new[key]
        if key in wider:
            assert torch.equal(have[:, : weight.shape[1]], weight)
            assert not have[:, weight.shape[1] :].any()
        else:
            assert torch.equal(have, weight)
    fields, video, noise = fields_video_and_noise()
    numbers, fine = torch.randn(1, TINY.latent + 8), torch.randn(1, 1, 128, 128)
    with torch.inference_mode():
        torch.testing.assert_close(
            generator.render(fields, numbers, video, noise, fine),
            checkpoint.generator.render(fields, numbers, video, noise),  # type: ignore[union-attr, operator]
            atol=1e-5,
            rtol=0,
        )


def labelled_checkpoint(path: Path, latent: int, instruments: tuple[Instrument, ...]) -> Checkpoint:
    architecture = LabelledArchitecture(latent=latent, width=TINY.width, instruments=instruments)
    save_checkpoint(path, fresh(architecture), make_card("labelled", architecture=architecture))
    return load_checkpoint(path)


TWO = (Instrument(name="a", share=3.0), Instrument(name="b", share=1.0))


@pytest.mark.parametrize("instruments", [(), TWO])
def test_an_unlabelled_generator_starts_from_a_labelled_one(
    instruments: tuple[Instrument, ...], tmp_path: Path
) -> None:
    """Without the inputs that it has not, the finest border and the clarity: as if these were zero."""
    labelled = labelled_checkpoint(tmp_path / "labelled.safetensors", TINY.latent, instruments)
    generator = fresh(MosaicArchitecture(latent=TINY.latent, width=TINY.width, instruments=instruments))
    start_from(generator, labelled)
    numbers = torch.randn(1, TINY.latent + 8 + len(instruments))
    clarity = torch.zeros(1, 1 if instruments else 0)
    fields, video, noise = fields_video_and_noise()
    with torch.inference_mode():
        torch.testing.assert_close(
            generator.render(fields, numbers, video, noise),  # type: ignore[union-attr, operator]
            labelled.generator.render(  # type: ignore[union-attr, operator]
                fields, torch.cat([numbers, clarity], dim=1), video, noise, torch.zeros(1, 1, 128, 128)
            ),
            atol=1e-5,
            rtol=0,
        )


@pytest.mark.parametrize(("latent", "instruments"), [(TINY.latent + 1, TWO), (TINY.latent, ())])
def test_an_unlabelled_generator_of_another_style_does_not_start_from_a_labelled_one(
    latent: int, instruments: tuple[Instrument, ...], tmp_path: Path
) -> None:
    """Its last inputs are other ones then, and cutting them off would mix them up."""
    labelled = labelled_checkpoint(tmp_path / "labelled.safetensors", latent, instruments)
    generator = fresh(MosaicArchitecture(latent=TINY.latent, width=TINY.width, instruments=TWO[:1]))
    with pytest.raises(WarmStartError, match="labelled: "):
        start_from(generator, labelled)


def test_a_checkpoint_is_left_as_it_is(checkpoint: Checkpoint) -> None:
    before = {key: value.clone() for key, value in checkpoint.generator.state_dict().items()}
    generator = fresh(TINY)
    start_from(generator, checkpoint)
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.add_(1.0)
    after = checkpoint.generator.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)


@pytest.mark.parametrize(
    ("architecture", "weight"),
    [
        (MosaicArchitecture(latent=8, width=16), r"tiny: .* has shape \(\d.*\), needed is \(\d.*\)"),
        (
            MosaicArchitecture(latent=4, width=8),
            r"tiny: style\.0\.weight has shape \(128, 16\), needed is \(128, 12\)",
        ),
    ],
)
def test_weights_that_do_not_fit_are_named(
    architecture: MosaicArchitecture, weight: str, checkpoint: Checkpoint
) -> None:
    generator = fresh(architecture)
    before = {key: value.clone() for key, value in generator.state_dict().items()}
    with pytest.raises(WarmStartError, match=weight):
        start_from(generator, checkpoint)
    after = generator.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)  # nothing was taken


def test_another_kind_of_network_is_refused(checkpoint: Checkpoint) -> None:
    dcgan = build_generator(DcganArchitecture(latent=8, channels=(16, 16, 8, 8, 8)))
    with pytest.raises(WarmStartError, match=r"tiny is built otherwise; only one of both has \["):
        start_from(dcgan, checkpoint)
    with pytest.raises(WarmStartError, match="is built otherwise"):
        start_from(fresh(TINY), dataclasses.replace(checkpoint, generator=dcgan))


def test_one_instrument_starts_as_the_mean_of_several(tmp_path: Path) -> None:
    """By their shares; what comes after the instruments, the clarity, keeps its weights."""
    two = LabelledArchitecture(
        latent=8, width=8, instruments=(Instrument(name="a", share=3.0), Instrument(name="b", share=1.0))
    )
    several = fresh(two)
    path = tmp_path / "two.safetensors"
    save_checkpoint(path, several, make_card("two", architecture=two))
    known = load_checkpoint(path).generator.state_dict()["style.0.weight"]
    for names in (("own",), ("b", "own")):
        instruments = tuple(Instrument(name=name, share=1.0) for name in names)
        generator = fresh(LabelledArchitecture(latent=8, width=8, instruments=instruments))
        start_from(generator, load_checkpoint(path))
        have = generator.state_dict()["style.0.weight"]
        assert torch.equal(have[:, :16], known[:, :16])
        torch.testing.assert_close(have[:, -2], 0.75 * known[:, 16] + 0.25 * known[:, 17])
        assert torch.equal(have[:, -1], known[:, -1])
        if "b" in names:
            assert torch.equal(have[:, 16], known[:, 17])
