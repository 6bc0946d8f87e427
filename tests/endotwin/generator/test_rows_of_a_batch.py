"""An image depends neither on its place in a batch nor on the others in it, with any number of threads."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_checkpoints import make_card

from endotwin.generator.architectures import build_generator
from endotwin.generator.batch import Batch
from endotwin.generator.checkpoint import Checkpoint, load_checkpoint
from endotwin.generator.dcgan import DcganArchitecture
from endotwin.generator.sampler import Sampler
from endotwin.image_range import BATCH, MAX_INDEX, MAX_SEED, ImageRange
from endotwin.settings import SHIPPED_CHECKPOINTS

DCGAN = DcganArchitecture(channels=(64, 32, 16, 16, 8))
SHIPPED = sorted(path.stem for path in SHIPPED_CHECKPOINTS.glob("*.safetensors"))
NAMES = [*SHIPPED, "dcgan"]
FEW = settings(max_examples=2)

PARTS = [
    ImageRange(7, 0, 1),
    ImageRange(7, 3, 2),
    ImageRange(MAX_SEED, MAX_INDEX, 1),
    ImageRange(MAX_SEED, MAX_INDEX - 9, 3),
    ImageRange(8, 5 * BATCH + 15, 1),
    ImageRange(7, 1, 1),
    ImageRange(7, 10, 6),
]


def dcgan() -> Checkpoint:
    """Return an untrained generator of the paper whose batch normalisation has seen some images."""
    torch.manual_seed(0)
    generator = build_generator(DCGAN)
    generator(torch.randn(BATCH, DCGAN.latent))
    generator.eval().requires_grad_(False)
    return Checkpoint(generator, make_card("dcgan", architecture=DCGAN), Path("dcgan.safetensors"))


@cache
def checked(name: str) -> Sampler:
    sampler = Sampler(
        dcgan() if name == "dcgan" else load_checkpoint(SHIPPED_CHECKPOINTS / f"{name}.safetensors")
    )
    sampler.check()
    return sampler


@cache
def whole_batch(name: str, seed: int, start: int) -> Batch:
    """Return an aligned batch, as an unchecked sampler makes it."""
    return Sampler(checked(name).checkpoint).batch(ImageRange(seed, start, BATCH))


@pytest.fixture
def three_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("name", NAMES)
@FEW
@given(data=st.data())
def test_images_that_share_a_batch_have_the_bytes_of_their_own(name: str, data: st.DataObject) -> None:
    sampler = checked(name)
    assert sampler.independent
    parts: list[ImageRange] = []
    for part in data.draw(st.permutations(PARTS)):
        if sum(sampler.rows(other) for other in [*parts, part]) <= BATCH:
            parts.append(part)
    batches = sampler.render([sampler.draw(part) for part in parts])
    for part, batch in zip(parts, batches, strict=True):
        first = part.start % BATCH
        wanted = slice(first, first + part.count)
        expected = whole_batch(name, part.seed, part.start - first)
        assert batch.range == part
        assert batch.images.tobytes() == expected.images[wanted].tobytes()
        for scene, wanted_scene in zip(batch.scenes, expected.scenes[wanted], strict=True):
            assert scene.label().instances.tobytes() == wanted_scene.label().instances.tobytes()


@pytest.mark.parametrize("name", ["compact", "dcgan"])
def test_the_number_of_threads_does_not_show(name: str, three_threads: None) -> None:
    """Group normalisation would share out some images between two of the three."""
    sampler = checked(name)
    part = ImageRange(8, 5 * BATCH, BATCH)
    assert Sampler(sampler.checkpoint).batch(part).images.tobytes() == with_two_threads(name, part)
    assert torch.get_num_threads() == 3
    sampler.check()
    assert sampler.independent


def with_two_threads(name: str, part: ImageRange) -> bytes:
    torch.set_num_threads(2)
    try:
        return Sampler(checked(name).checkpoint).batch(part).images.tobytes()
    finally:
        torch.set_num_threads(3)


def test_images_that_depend_on_the_others_get_whole_aligned_batches() -> None:
    checkpoint = dcgan()
    expected = Sampler(checkpoint).images(7, 20, 10)
    shifting = Sampler(checkpoint)
    evaluate = checkpoint.generator.forward

    def forward(draws: torch.Tensor) -> torch.Tensor:
        """Add a millionth of a grey level in one place of the batch."""
        images = evaluate(draws).clone()
        images[5] += 1e-6
        return images

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint.generator, "forward", forward)
        shifting.check()
    assert not shifting.independent
    assert shifting.rows(ImageRange(7, 0, 1)) == BATCH
    assert shifting.images(7, 20, 10).tobytes() == expected.tobytes()


def test_batch_normalisation_over_the_batch_is_found() -> None:
    checkpoint = dcgan()
    checkpoint.generator.train()
    sampler = Sampler(checkpoint)
    sampler.check()
    assert not sampler.independent


def test_the_digest_of_a_try_tells_generators_apart() -> None:
    assert checked("dcgan").try_out() == Sampler(dcgan()).try_out() != checked("compact").try_out()
