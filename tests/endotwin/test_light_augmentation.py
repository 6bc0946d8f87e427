"""Light that varies: as a torch transform, as MONAI's, and in the trial the same code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from absent_packages import without_packages
from monai.data.utils import set_rnd
from monai.transforms import Compose

import endotwin
from endotwin.light_augmentation import change_light
from training.trial import segmenter_augmentation


@pytest.fixture
def images(tiny_checkpoint: Path) -> torch.Tensor:
    return torch.from_numpy(endotwin.load(tiny_checkpoint, "cpu").images(7, 4)[:, None] / np.float32(255))


def test_each_image_is_changed_in_its_own_way(images: torch.Tensor) -> None:
    same = images[:1].expand(8, 1, 128, 128)
    torch.manual_seed(0)
    changed = endotwin.LightAugmentation()(same)
    assert changed.shape == same.shape
    assert changed.dtype == torch.float32
    assert changed.min() >= 0
    assert changed.max() <= 1
    assert len({image.numpy().tobytes() for image in changed}) == 8
    assert torch.equal(same, images[:1].expand(8, 1, 128, 128))


def test_random_numbers_are_those_of_torch(images: torch.Tensor) -> None:
    def changed(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return endotwin.LightAugmentation()(images)

    assert torch.equal(changed(1), changed(1))
    assert not torch.equal(changed(1), changed(2))
    own = endotwin.LightAugmentation(torch.Generator().manual_seed(1))(images)
    assert torch.equal(own, changed(1))


def test_type_and_shape_stay(images: torch.Tensor) -> None:
    for given in (images[0, 0], images.double(), images.half()):
        found = endotwin.LightAugmentation()(given)
        assert (found.dtype, found.shape) == (given.dtype, given.shape)
    with pytest.raises(TypeError, match=r"floating point, from 0 to 1, got torch\.uint8"):
        endotwin.LightAugmentation()((images * 255).byte())


def test_monai_has_it_for_dictionaries(images: torch.Tensor) -> None:
    item = {"image": images[0], "borders": images[1], "other": images[2].numpy()}
    transform = Compose([endotwin.LightAugmentationd(keys=["image", "other"])])

    def changed(seed: int) -> dict[str, object]:
        transform.set_random_state(seed)
        return dict(transform(item))

    first = changed(1)
    assert torch.equal(first["borders"], item["borders"])
    assert isinstance(first["other"], np.ndarray)
    assert first["image"].shape == (1, 128, 128)
    assert first["image"].dtype == torch.float32
    assert not torch.equal(first["image"], item["image"])
    assert torch.equal(first["image"], changed(1)["image"])
    assert not torch.equal(first["image"], changed(2)["image"])
    with pytest.raises(TypeError, match="image must be floating point"):
        endotwin.LightAugmentationd(keys="image")({"image": images[0].byte()})


def test_monai_seeds_it_in_the_workers_of_a_data_set(tiny_checkpoint: Path) -> None:
    transform = endotwin.LightAugmentationd(keys="image")
    dataset = endotwin.dataset(tiny_checkpoint, 7, 1, transform=transform)
    set_rnd(dataset, 5)
    expected = np.random.RandomState(5).randint(2**32, dtype=np.int64)
    transform.randomize()
    assert transform._seed == expected


def test_the_trial_uses_this_very_code() -> None:
    assert segmenter_augmentation.change_light is change_light


def test_without_monai_all_else_works() -> None:
    code = without_packages(
        ["monai"],
        "import endotwin, torch\n"
        "endotwin.LightAugmentation()(torch.zeros(4, 4))\n"
        "try: endotwin.LightAugmentationd\n"
        "except ModuleNotFoundError as error: print(error)\n",
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "LightAugmentationd takes MONAI: pip install monai\n"
