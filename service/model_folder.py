"""The folder of checkpoints, on the devices: loaded at the start, and read again when it has changed."""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Literal

import torch

from endotwin.catalogue import choose_default, load_checkpoints
from endotwin.checkpoint_files import checkpoint_paths
from endotwin.generator.card_file import CheckpointError
from endotwin.generator.checkpoint import Checkpoint, file_sha256, load_checkpoint
from endotwin.generator.device import describe_device
from endotwin.generator.sampler import Sampler
from endotwin.image_range import BATCH
from endotwin.settings import Settings, SettingsError, variable
from service import metrics
from service.device_queue import DeviceQueue
from service.models import Model, Models

logger = logging.getLogger("endotwin")


@dataclass(frozen=True)
class _Served:
    """A model that is offered, and the digest of the file it came from."""

    model: Model
    file_sha256: str


@dataclass(frozen=True)
class Reading:
    """What came of reading the folder again.

    Attributes:
        outcome: complete; partial, if a file could not be used; failed, if nothing is changed.
        models: what is offered from now on; None if that is what was offered before.
        changes: which models are new, replaced or gone, in words.
        problems: which files could not be used, and why.
    """

    outcome: Literal["complete", "partial", "failed"]
    models: Models | None = None
    changes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


class ModelFolder:
    """The checkpoints of the operator's folder, each on every device."""

    def __init__(self, settings: Settings, devices: Sequence[torch.device], queue: DeviceQueue) -> None:
        """Load nothing yet.

        Args:
            settings: which folder, and what is allowed in it.
            devices: of one kind.
            queue: runs what computes in the threads of the devices: torch keeps a team of OpenMP threads
                for every thread that computes, and two teams compete for the cores.
        """
        self._settings = settings
        self._devices = devices
        self._queue = queue
        self._served: dict[Path, _Served] = {}
        self._unchecked: list[Model] = []
        self._default = ""

    def load(self) -> Models:
        """Load all checkpoints, and run each on every device.

        Raises:
            SettingsError: a setting does not fit this machine or the checkpoints.
            CheckpointError: a checkpoint cannot be used.
        """
        checkpoints = self._queue.call(
            partial(
                load_checkpoints,
                self._settings.checkpoint_dir,
                allow_unscored=self._settings.allow_unscored,
            )
        )
        self._default = choose_default(checkpoints, self._settings.default_model)
        served = {}
        for checkpoint in checkpoints.values():
            digest = file_sha256(checkpoint.path)
            served[checkpoint.path] = _Served(self._place(checkpoint), digest)
        return self._offer(served)

    def read_again(self) -> Reading:
        """Read the folder again: load what is new or changed, and leave out what is gone.

        A file that cannot be used changes nothing: what came from it before is still offered. The default
        model stays the one of the start: without it nothing changes. What happened is logged and counted.
        """
        reading = self._read_again()
        for problem in reading.problems:
            logger.error("models: %s", problem)
        logger.info("models: read again: %s", ", ".join(reading.changes) or "nothing has changed")
        metrics.RELOADS.labels(reading.outcome).inc()
        return reading

    def check_models(self) -> None:
        """Find out of every model that is new since the last time whether requests can share a batch of it.

        Until it is known they share none, and get the same bytes.
        """
        while self._unchecked:
            model = self._unchecked.pop(0)
            try:
                self._check(model)
            except CancelledError:  # the service stops
                return
            except Exception as error:
                logger.warning(
                    "model %s: it is not known whether requests can share a batch: %s", model.name, error
                )

    def _check(self, model: Model) -> None:
        # The first device comes last: what it says holds for all, see `Model.rows`.
        for index in reversed(range(len(model.samplers))):
            self._queue.call(model.samplers[index].check, device=index)
            if not model.samplers[index].independent:
                break
        independent = model.samplers[0].independent
        metrics.BATCHES_SHARED.labels(model.name).set(independent)
        if not independent:
            logger.warning(
                "model %s: on this device an image depends on its place in the batch, so requests for few "
                "images share none: each takes as long as one for 16",
                model.name,
            )

    def _read_again(self) -> Reading:
        before = {served.model.name: served.model for served in self._served.values()}
        problems: list[str] = []
        try:
            models = self._offer(self._look(problems))
        except Exception as error:
            return Reading("failed", problems=[*problems, _describe(error)])
        changes = _changes(before, models)
        for name in before.keys() - set(models.names):
            metrics.RECORDED_FID.labels(name).set(float("nan"))
        outcome: Literal["complete", "partial"] = "partial" if problems else "complete"
        return Reading(outcome, models if changes else None, changes, problems)

    def _offer(self, served: dict[Path, _Served]) -> Models:
        models = [one.model for one in served.values()]
        names = [model.name for model in models]
        if self._settings.default_model is not None:
            choose_default(names, self._settings.default_model)
        elif self._default not in names:
            raise SettingsError(
                f"the default model {self._default!r} would be gone; there are "
                f"{', '.join(sorted(names))}, and only a restart makes another the default "
                f"({variable('default_model')})"
            )
        self._served = served
        return Models(models, self._default)

    def _look(self, problems: list[str]) -> dict[Path, _Served]:
        """Return what the folder holds now, loaded; note every file that cannot be used."""
        digests = {}
        for path in checkpoint_paths(self._settings.checkpoint_dir):
            try:
                digests[path] = file_sha256(path)
            except OSError as error:
                problems.append(f"{path}: {error.strerror}")
                digests[path] = ""
        known = {one.file_sha256: one for one in self._served.values()}
        found: dict[Path, _Served] = {}
        # Files that have not changed come first: another one cannot take the name of theirs.
        for path in sorted(digests, key=lambda path: (digests[path] not in known, path)):
            taken = {one.model.name: other for other, one in found.items()}
            served = known.get(digests[path])
            if served is None and digests[path]:
                try:
                    served = self._load(path, digests[path], taken)
                except Exception as error:
                    problems.append(_describe(error))
            served = served or self._served.get(path)
            if served is None:
                continue
            if served.model.name in taken:
                problems.append(_same_name(path, taken[served.model.name], served.model.name))
            else:
                found[path] = served
        return found

    def _load(self, path: Path, digest: str, taken: dict[str, Path]) -> _Served:
        load = partial(load_checkpoint, require_fid=not self._settings.allow_unscored)
        checkpoint = self._queue.call(load, path)
        name = checkpoint.card.name
        if name in taken:
            raise SettingsError(_same_name(path, taken[name], name))
        return _Served(self._place(checkpoint), digest)

    def _place(self, checkpoint: Checkpoint) -> Model:
        """Put a checkpoint on every device and run it there.

        Raises:
            SettingsError: two devices make different bytes of it.
        """
        name = checkpoint.card.name
        began = time.perf_counter()
        samplers, digests = [], set()
        rows = 1 if len(self._devices) == 1 else BATCH  # several are compared
        for index, device in enumerate(self._devices):
            sampler = self._queue.call(self._sampler, checkpoint, device, device=index)
            start = time.perf_counter()
            digests.add(self._queue.call(sampler.try_out, rows, device=index))
            metrics.DEVICE_SECONDS.labels(name).observe(time.perf_counter() - start)
            samplers.append(sampler)
        if len(digests) > 1:
            raise SettingsError(
                f"{variable('device')}={self._settings.device}: they make different bytes of {name}"
            )
        model = Model(checkpoint.card, checkpoint.generator_sha256, samplers)
        self._unchecked.append(model)
        if model.fid is not None:
            metrics.RECORDED_FID.labels(name).set(model.fid)
        logger.info(
            "model %s (FID %s, generator %.12s) ready on %s after %.1f s",
            name,
            model.fid,
            model.generator_sha256,
            ", ".join(f"{describe_device(device)} ({device})" for device in self._devices),
            time.perf_counter() - began,
        )
        return model

    def _sampler(self, checkpoint: Checkpoint, device: torch.device) -> Sampler:
        if device != self._devices[0]:  # else it would move away from the first device
            checkpoint = replace(checkpoint, generator=copy.deepcopy(checkpoint.generator))
        threads = max(1, torch.get_num_threads() // len(self._devices))
        return Sampler(checkpoint, str(device), threads)


def _changes(before: dict[str, Model], models: Models) -> list[str]:
    """Say what is offered now that was not before, and the other way round."""
    changes = [f"{name} is gone" for name in sorted(before.keys() - set(models.names))]
    for model in models:
        if model.name not in before:
            changes.append(f"{model.name} is new")
        elif model is not before[model.name]:
            changes.append(f"{model.name} is replaced")
    return changes


def _describe(error: Exception) -> str:
    if isinstance(error, CheckpointError | SettingsError):
        return str(error)
    return f"{type(error).__name__}: {error}"


def _same_name(path: Path, other: Path, name: str) -> str:
    return f"{path}: its card has the name {name!r}, which {other} has"
