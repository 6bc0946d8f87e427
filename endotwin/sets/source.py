"""What makes the images of a set on this machine."""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass

from endotwin.generator.batch_source import BatchSource
from endotwin.generator.checkpoint import Checkpoint
from endotwin.generator.device import describe_device, resolve_device
from endotwin.generator.sampler import Sampler
from endotwin.settings import Settings


@dataclass(frozen=True)
class Generator:
    """A checkpoint on its device.

    Attributes:
        source: makes the images.
        device: what the manifest says of it.
        thread: the one thread that runs `source`.
    """

    source: BatchSource
    device: str
    thread: Executor


def load_generator(checkpoint: Checkpoint, settings: Settings, thread: Executor) -> Generator:
    """Move a checkpoint to the device of the settings.

    Args:
        checkpoint: loaded in `thread`, too, if it is to be fast on a CPU: torch keeps a team of threads for
            every thread that ever used it, and two teams fight over the cores.
        settings: of the operator.
        thread: a single thread, which is to run the network.

    Raises:
        SettingsError: the device is not there.
    """
    target = resolve_device(settings.device)
    sampler = thread.submit(Sampler, checkpoint, str(target)).result()
    return Generator(sampler, describe_device(target), thread)
