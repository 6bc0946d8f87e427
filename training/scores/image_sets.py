"""The sets of images that scores compare: which images each draw of them holds, and their features."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
from tqdm import tqdm

from endotwin.generator.checkpoint import Checkpoint
from endotwin.generator.sampler import Sampler
from endotwin.image_range import IMAGE_SIZE
from training.data.crops import draw_crops
from training.data.split import Dataset
from training.progress import show_progress
from training.random_streams import Purpose, stream
from training.scores.fid import cached_features, generated_features
from training.scores.inception import load_inception
from training.scores.request import DEFAULT_CACHE

DRAWS = 3
"""How often a score is measured, each time on other images."""

SetName = Literal["generated", "training", "held_out", "noise"]

_PURPOSES: dict[SetName, tuple[Purpose, ...]] = {
    "training": (Purpose.TRAINING_CROPS_1, Purpose.TRAINING_CROPS_2, Purpose.TRAINING_CROPS_3),
    "held_out": (Purpose.HELD_OUT_CROPS_1, Purpose.HELD_OUT_CROPS_2, Purpose.HELD_OUT_CROPS_3),
    "noise": (Purpose.NOISE,) * DRAWS,  # 3,000 images of noise have the features of any other 3,000
}
"""The random stream of each draw. The recorded score takes the first draw of each set, and the second of
training crops for its real-against-real value."""

_WORDS = {
    "generated": "generated images",
    "training": "training crops",
    "held_out": "held-out crops",
    "noise": "uniform noise",
}


class ImageSets:
    """Generated images, training crops, held-out crops and noise, as many of each, in three draws.

    Draw d holds the generated images d · count to (d + 1) · count - 1 of the seed; crops and noise come
    from `numpy.random.default_rng([seed, k])`, k = 1, 2, 5 for training crops, 3, 6, 7 for held-out crops
    and 4 for noise, of which there is one draw. Crops are drawn as in training.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        dataset: Dataset,
        *,
        count: int,
        seed: int = 0,
        device: str = "cpu",
        inception: Path | None = None,
        cache: Path | None = DEFAULT_CACHE,
        quiet: bool = False,
    ) -> None:
        """Load the Inception network; images and features are made at first use.

        Args:
            checkpoint: the generator; of its card only the architecture is read.
            dataset: the images it was trained on.
            count: images of each set.
            seed: 0 to 2**64 - 1.
            device: torch device for the generator and for Inception.
            inception: file of the Inception weights, see `load_inception`.
            cache: folder for features, or None for no cache.
            quiet: no progress bars.

        Raises:
            InceptionError: the Inception weights are missing or not the known ones.
        """
        self.count = count
        self.seed = seed
        self.device = device
        self.dataset = dataset
        self.sampler = Sampler(checkpoint, device)
        self._model, self.inception_sha256 = load_inception(inception)
        self._cache = cache
        self._quiet = quiet
        self._features: dict[tuple[SetName, int], np.ndarray] = {}

    @property
    def has_held_out(self) -> bool:
        """Whether there are images that were never trained on."""
        return bool(self.dataset.held_out)

    def features(self, name: SetName, draw: int = 0) -> np.ndarray:
        """Return the Inception features of a set, float32 (count, 2048).

        Args:
            name: of the set; held-out crops only where there are held-out images.
            draw: 0 to 2.
        """
        # By the stream, not by the draw: draws that share their images share their features.
        key = (name, draw if name == "generated" else _PURPOSES[name][draw])
        if key not in self._features:
            description = f"Inception, {_WORDS[name]}, draw {draw + 1}"
            with progress_bar(description, self.count, quiet=self._quiet) as bar:
                if name == "generated":
                    found = generated_features(
                        self.sampler,
                        self.seed,
                        draw * self.count,
                        self.count,
                        self._model,
                        self.inception_sha256,
                        cache=self._cache,
                        progress=bar.update,
                    )
                else:
                    found = cached_features(
                        self.images(name, draw),
                        self._model,
                        self.inception_sha256,
                        device=self.device,
                        cache=self._cache,
                        progress=bar.update,
                    )
            self._features[key] = found
        return self._features[key]

    def images(self, name: SetName, draw: int = 0, limit: int | None = None) -> np.ndarray:
        """Return the images of a set, uint8 (count, 128, 128), or the first of them up to a limit."""
        if name == "generated":
            wanted = self.count if limit is None else min(limit, self.count)
            return self.sampler.images(self.seed, wanted, draw * self.count)
        # Of crops the whole set is drawn: fewer would be other crops.
        if name == "training":
            return draw_training_crops(self.dataset, self.count, self.seed, draw)[:limit]
        rng = stream(self.seed, _PURPOSES[name][draw])
        if name == "held_out":
            return draw_crops(self.dataset.held_out, self.count, rng)[:limit]
        shape = (self.count, IMAGE_SIZE, IMAGE_SIZE)
        return rng.integers(0, 256, size=shape, dtype=np.uint8)[:limit]


def progress_bar(description: str, total: int, *, quiet: bool) -> tqdm:
    """Return a progress bar, to be used as a context; those of an evaluation stand one below the other.

    Args:
        description: plain text, at most 38 characters.
        total: sum of all values that `update` will be called with.
        quiet: show nothing.
    """
    return show_progress(total=total, desc=f"{description:<38}", disable=quiet, unit="")


def draw_training_crops(dataset: Dataset, count: int, seed: int = 0, draw: int = 0) -> np.ndarray:
    """Draw the training crops of a draw of `ImageSets`, uint8 (count, 128, 128)."""
    return draw_crops(dataset.training, count, stream(seed, _PURPOSES["training"][draw]))
