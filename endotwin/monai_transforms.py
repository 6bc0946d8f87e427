"""Transforms for MONAI, which the user has: `pip install monai`."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np

try:
    from monai.config.type_definitions import KeysCollection
    from monai.transforms.transform import MapTransform, Randomizable
    from monai.utils.type_conversion import convert_to_dst_type, convert_to_numpy
except ModuleNotFoundError as error:
    raise ModuleNotFoundError("LightAugmentationd takes MONAI: pip install monai", name="monai") from error

from endotwin.light_augmentation import change_light


class LightAugmentationd(MapTransform, Randomizable):
    """`LightAugmentation` for dictionaries, with MONAI's random numbers.

    Images of the keys are floating point (1, H, W), from 0 to 1; each gets a change of its own.
    """

    def __init__(self, keys: KeysCollection, allow_missing_keys: bool = False) -> None:
        """Name the images, and say whether some may be missing."""
        super().__init__(keys, allow_missing_keys)
        self._seed = 0

    def randomize(self, data: Any = None) -> None:
        """Draw the change of the next image."""
        self._seed = int(self.R.randint(2**32, dtype=np.int64))

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return the dictionary with changed images, of the type and on the device that they were."""
        changed = dict(data)
        for key in self.key_iterator(changed):
            self.randomize()
            image = convert_to_numpy(changed[key])
            if not np.issubdtype(image.dtype, np.floating):
                raise TypeError(f"{key} must be floating point, from 0 to 1, got {image.dtype}")
            rng = np.random.default_rng(self._seed)
            light = np.stack([change_light(part.astype(np.float32), rng) for part in image])
            changed[key], *_ = convert_to_dst_type(light, changed[key])
        return changed
