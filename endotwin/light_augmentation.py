"""Light that varies, for the images that a segmenter is trained on.

Blotches of light from smaller to larger than a cell and patches of higher or lower contrast imitate haze:
without them a segmenter cuts hazy cells in two (docs/trial.md has the measurements).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from endotwin.smooth_noise import gaussian_blur, smooth_noise

if TYPE_CHECKING:
    from torch import Generator, Tensor

_GAMMA = 0.4  # natural logarithm: exponents from 0.67 to 1.49
_CONTRAST = 0.3  # natural logarithm
_BRIGHTNESS = 0.15  # of the range from black to white
_CHANCE = 0.7  # of blotches, and of patches of other contrast
_BLOTCHES = 0.8  # largest amplitude (standard deviation), of the image's own
_BLOTCH_BLURS = (2.5, 12.0)  # standard deviation, pixels
_PATCHES = 0.4  # largest amplitude, natural logarithm of the contrast
_PATCH_BLURS = (8.0, 30.0)  # standard deviation, pixels
_BLUR = 0.8  # largest standard deviation, pixels
_NOISE = 0.03  # largest standard deviation, of the range


class LightAugmentation:
    """A transform of torch images: blotches, patches, gamma, contrast, brightness, blur and noise.

    Random numbers are torch's, so that every DataLoader worker has its own. Labels stay as they are.
    """

    def __init__(self, generator: Generator | None = None) -> None:
        """Name the source of random numbers.

        Args:
            generator: of torch, on the CPU; default: torch's own.
        """
        self._generator = generator

    def __call__(self, images: Tensor) -> Tensor:
        """Return changed images.

        Args:
            images: floating point (..., H, W), from 0 to 1; each gets a change of its own.

        Returns:
            The same shape, type and device, from 0 to 1.

        Raises:
            TypeError: the numbers are integers.
        """
        import torch  # noqa: PLC0415

        if not images.is_floating_point():
            raise TypeError(f"images must be floating point, from 0 to 1, got {images.dtype}")
        flat = images.detach().reshape(-1, *images.shape[-2:]).to("cpu", torch.float32).numpy()
        seeds = torch.randint(2**63 - 1, (len(flat),), generator=self._generator).tolist()
        changed = [
            change_light(image, np.random.default_rng(seed))
            for image, seed in zip(flat, seeds, strict=True)
        ]
        return torch.from_numpy(np.stack(changed)).reshape(images.shape).to(images)


def change_light(grey: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return an image under another light, float32 (H, W) from 0 to 1, as it was given."""
    if rng.random() < _CHANCE:
        blotches = _noise_of_random_blur(grey.shape, _BLOTCH_BLURS, rng)
        grey = grey + rng.uniform(0, _BLOTCHES) * grey.std() * blotches
    if rng.random() < _CHANCE:
        contrast = np.exp(rng.uniform(0, _PATCHES) * _noise_of_random_blur(grey.shape, _PATCH_BLURS, rng))
        grey = grey.mean() + (grey - grey.mean()) * contrast
    grey = grey.clip(0, 1) ** np.exp(rng.uniform(-_GAMMA, _GAMMA))
    grey = (grey - 0.5) * np.exp(rng.uniform(-_CONTRAST, _CONTRAST)) + 0.5
    grey += rng.uniform(-_BRIGHTNESS, _BRIGHTNESS)
    if rng.integers(2):
        grey = gaussian_blur(grey, rng.uniform(0, _BLUR), "symmetric")
    grey = grey + rng.uniform(0, _NOISE) * rng.standard_normal(grey.shape, dtype=np.float32)
    return np.asarray(grey.clip(0, 1).astype(np.float32))


def _noise_of_random_blur(
    shape: tuple[int, ...], blurs: tuple[float, float], rng: np.random.Generator
) -> np.ndarray:
    noise = rng.standard_normal(shape, dtype=np.float32)
    return smooth_noise(noise, np.exp(rng.uniform(*np.log(blurs))))
