"""A model as a job uses it: on the device that the streams have, when they leave it."""

from __future__ import annotations

from functools import partial

import numpy as np

from endotwin.mosaic.parameters import Conditions
from endotwin.mosaic.scene import Scene
from service.device_queue import DeviceThread, timed
from service.models import Model


class DeviceShare:
    """See `service.models.BatchSource`. Every batch waits for its turn behind the streams'.

    Scenes are drawn in the job's own thread: that takes as long as the network does, and a stream that
    comes meanwhile waits for one of them at most.
    """

    def __init__(self, model: Model, device: DeviceThread) -> None:
        self._model = model
        self._device = device

    def batch(self, seed: int, block: int) -> np.ndarray:
        """Generate one aligned batch."""
        if self._model.population is not None:
            return self.scenes(seed, block, Conditions())[0]
        work = partial(self._model.sampler.batch, seed, block)
        return self._device.call_for_job(partial(timed, self._model, work))

    def scenes(self, seed: int, block: int, conditions: Conditions) -> tuple[np.ndarray, list[Scene]]:
        """Generate one aligned batch under conditions, and its scenes."""
        draws, scenes = self._model.sampler.draw(seed, block, conditions, self._device.give_way)
        work = partial(self._model.sampler.render, draws, scenes)
        return self._device.call_for_job(partial(timed, self._model, work)), scenes
