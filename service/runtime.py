"""Everything that answers requests, put together once when the service starts."""

from __future__ import annotations

import os
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from endotwin.catalogue import choose_default, load_checkpoints
from endotwin.generator.device import describe_device, resolve_devices
from endotwin.settings import Settings
from service import metrics
from service.access.keyring import Keyring
from service.access.quota import Quota, usage_path
from service.admission import Admission
from service.device_queue import DeviceQueue
from service.jobs.store import JobStore
from service.model_folder import ModelFolder, Reading
from service.models import Models

if TYPE_CHECKING:
    from service.jobs.runner import JobRunner


class Runtime:
    """What a request needs.

    Attributes:
        settings: of the operator.
        models: loaded and ready; another object once the folder of checkpoints was read again.
        device: the threads that generate.
        device_name: what they run on, for the response header.
        encoders: threads that turn batches into bytes.
        admission: the limit on open streams.
        keyring: the keys that requests need; None if the operator asks for none.
        quota: counts images per key; None if there are no keys.
        jobs: the threads that work on jobs; None if the operator wants none.
    """

    def __init__(
        self,
        settings: Settings,
        models: Models,
        device: DeviceQueue,
        device_name: str,
        folder: ModelFolder | None = None,
    ) -> None:
        """Start the threads for models that are loaded; jobs that wait are taken up at once.

        Args:
            settings: of the operator.
            models: loaded and ready.
            device: the devices.
            device_name: what they are.
            folder: what `read_models_again` reads.

        Raises:
            SettingsError: the file of jobs or of keys cannot be used.
        """
        self.settings = settings
        self.models = models
        self.device = device
        self.device_name = device_name
        self._folder = folder
        self._reading = ThreadPoolExecutor(1, "models")
        self.encoders = ThreadPoolExecutor(max_workers=os.cpu_count(), thread_name_prefix="encoder")
        self.admission = Admission(settings)
        self.keyring = None if settings.keys_file is None else Keyring(settings.keys_file)
        usage = usage_path(settings)
        self.quota = None if usage is None else Quota(usage)
        self.jobs: JobRunner | None = None
        if settings.jobs_store is not None:
            from service.jobs.runner import JobRunner  # noqa: PLC0415 - most services have no jobs

            store = JobStore(settings.jobs_store)
            self.jobs = JobRunner(store, models, device, device_name, settings)

    def check_models(self) -> Future[None]:
        """Find out in another thread whether requests for few images can share a batch of each model."""
        return self._reading.submit(self._check_models)

    def _check_models(self) -> None:
        if self._folder is not None:
            self._folder.check_models()

    def read_models_again(self) -> Future[Reading]:
        """Read the folder of checkpoints again, in another thread; streams keep the model they have."""
        return self._reading.submit(self._read_models_again)

    def _read_models_again(self) -> Reading:
        if self._folder is None:
            return Reading("complete")
        reading = self._folder.read_again()
        if reading.models is not None:
            self.models = reading.models
            if self.jobs is not None:
                self.jobs.offer(reading.models)
            self._folder.check_models()
        return reading

    def close(self) -> None:
        """Stop the threads; streams that are still open fail, jobs go on at the next start."""
        if self.jobs is not None:
            self.jobs.close()
        self._reading.shutdown(wait=False, cancel_futures=True)
        self.device.close()
        self.encoders.shutdown(wait=False, cancel_futures=True)
        if self.quota is not None:
            self.quota.close()


def check_start(settings: Settings) -> None:
    """Check whether a service can start, short of running the networks.

    Raises:
        SettingsError: a setting does not fit this machine or the checkpoints.
        CheckpointError: a checkpoint cannot be used.
    """
    resolve_devices(settings.device)
    _check_files(settings)
    checkpoints = load_checkpoints(settings.checkpoint_dir, allow_unscored=settings.allow_unscored)
    choose_default(checkpoints, settings.default_model)


def _check_files(settings: Settings) -> None:
    if settings.keys_file is not None:
        keyring, usage = Keyring(settings.keys_file), usage_path(settings)
        if keyring.limits_days and usage is not None:
            Quota(usage).open().close()
    if settings.jobs_store is not None:
        JobStore(settings.jobs_store).close()


def start_runtime(settings: Settings) -> Runtime:
    """Load all checkpoints and run every model before anything is served: once, in the devices' threads.

    Raises:
        SettingsError: a setting does not fit this machine or the checkpoints.
        CheckpointError: a checkpoint cannot be used.
    """
    metrics.forget_dead_workers()
    devices = resolve_devices(settings.device)
    _check_files(settings)  # before what takes long
    queue = DeviceQueue(len(devices))
    try:
        folder = ModelFolder(settings, devices, queue)
        return Runtime(settings, folder.load(), queue, describe_device(devices[0]), folder)
    except BaseException:
        queue.close()
        raise
