"""Everything that answers requests, put together once when the service starts."""

from __future__ import annotations

import logging
import os
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from endotwin.catalogue import choose_default, load_checkpoints
from endotwin.generator.device import describe_device, resolve_device
from endotwin.generator.sampler import Sampler
from endotwin.image_range import BATCH, ImageRange
from endotwin.settings import Settings
from service import metrics
from service.access.keyring import Keyring
from service.admission import Admission
from service.device_queue import DeviceQueue, timed_batch
from service.jobs.runner import JobRunner
from service.jobs.store import JobStore
from service.models import Model, Models

logger = logging.getLogger("endotwin")


class Runtime:
    """What a request needs.

    Attributes:
        settings: of the operator.
        models: loaded and ready.
        device: the thread that generates.
        device_name: what it runs on, for the response header.
        encoders: threads that turn batches into bytes.
        admission: the limit on open streams.
        keyring: the keys that requests need; None if the operator asks for none.
        jobs: the threads that work on jobs; None if the operator wants none.
    """

    def __init__(self, settings: Settings, models: Models, device: DeviceQueue, device_name: str) -> None:
        """Start the threads for models that are loaded; jobs that wait are taken up at once.

        Raises:
            SettingsError: the file of jobs or of keys cannot be used.
        """
        self.settings = settings
        self.models = models
        self.device = device
        self.device_name = device_name
        self.encoders = ThreadPoolExecutor(max_workers=os.cpu_count(), thread_name_prefix="encoder")
        self.admission = Admission(settings.max_streams)
        self.keyring = None if settings.keys_file is None else Keyring(settings.keys_file)
        self.jobs: JobRunner | None = None
        if settings.jobs_store is not None:
            store = JobStore(settings.jobs_store)
            self.jobs = JobRunner(store, models, device, device_name, settings)

    def close(self) -> None:
        """Stop the threads; streams that are still open fail, jobs go on at the next start."""
        if self.jobs is not None:
            self.jobs.close()
        self.device.close()
        self.encoders.shutdown(wait=False, cancel_futures=True)


def check_start(settings: Settings) -> None:
    """Check whether a service can start, short of running the networks.

    Raises:
        SettingsError: a setting does not fit this machine or the checkpoints.
        CheckpointError: a checkpoint cannot be used.
    """
    resolve_device(settings.device)
    checkpoints = load_checkpoints(settings.checkpoint_dir, allow_unscored=settings.allow_unscored)
    choose_default(checkpoints, settings.default_model)
    if settings.keys_file is not None:
        Keyring(settings.keys_file)
    if settings.jobs_store is not None:
        JobStore(settings.jobs_store).close()


def start_runtime(settings: Settings) -> Runtime:
    """Load all checkpoints, and run one batch of every model before anything is served.

    Raises:
        SettingsError: a setting does not fit this machine or the checkpoints.
        CheckpointError: a checkpoint cannot be used.
    """
    metrics.forget_dead_workers()
    target = resolve_device(settings.device)
    device_name = describe_device(target)
    # Torch keeps a team of OpenMP threads for every thread that computes; a second team, here of the main
    # thread, would fight with the device thread's over the cores for as long as the service runs.
    device = DeviceQueue()
    checkpoints = device.call(
        partial(load_checkpoints, settings.checkpoint_dir, allow_unscored=settings.allow_unscored)
    )
    default = choose_default(checkpoints, settings.default_model)
    models = []
    for checkpoint in checkpoints.values():
        began = time.perf_counter()
        sampler = device.call(Sampler, checkpoint, str(target))
        model = Model(card=checkpoint.card, generator_sha256=checkpoint.generator_sha256, sampler=sampler)
        device.call(timed_batch, model, ImageRange(seed=0, start=0, count=BATCH), None)
        if model.fid is not None:
            metrics.RECORDED_FID.labels(model.name).set(model.fid)
        logger.info(
            "model %s (FID %s, generator %.12s) ready on %s after %.1f s",
            model.name,
            model.fid,
            model.generator_sha256,
            device_name,
            time.perf_counter() - began,
        )
        models.append(model)
    return Runtime(settings, Models(models, default), device, device_name)
