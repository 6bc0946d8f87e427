"""A model as a job uses it: on the device that the streams have, when they leave it."""

from __future__ import annotations

from functools import partial

from endotwin.generator.batch import Batch
from endotwin.image_range import ImageRange
from endotwin.mosaic.parameters import Conditions
from service.device_queue import DeviceThread, timed
from service.models import Model


class DeviceShare:
    """Make batches of a model behind those of the streams.

    Scenes are drawn in the job's own thread: that takes as long as the network does, and a stream that
    comes meanwhile waits for one of them at most.
    """

    def __init__(self, model: Model, device: DeviceThread) -> None:
        self._model = model
        self._device = device

    def batch(self, part: ImageRange, conditions: Conditions | None) -> Batch:
        """Generate images of one aligned batch; see `Sampler.batch`."""
        drawing = self._model.sampler.draw(part, conditions, self._device.give_way)
        work = partial(self._model.sampler.render, drawing)
        return self._device.call_for_job(partial(timed, self._model, work))
