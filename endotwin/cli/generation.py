"""Generating a set of images to a file or folder, without a server: the work of `endotwin generate`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tqdm import tqdm

from endotwin.catalogue import OrderError, choose_checkpoint, with_device
from endotwin.files import OutputError, new_file, new_folder
from endotwin.generator.checkpoint import Checkpoint, CheckpointError
from endotwin.generator.device import describe_device, resolve_device
from endotwin.generator.latents import MAX_INDEX, MAX_SEED
from endotwin.generator.sampler import Sampler, plan_blocks
from endotwin.samples.archives import FORMATS, Archive, check_format
from endotwin.samples.batch import Batch, make_batch
from endotwin.samples.labelling import PLAIN, Labelling
from endotwin.samples.layouts.labelled_sample import LayoutSample, LayoutSet, layout_samples
from endotwin.samples.layouts.writing import LAYOUTS, write_layout
from endotwin.samples.sample import require_only_samples, sample_files
from endotwin.settings import SettingsError, load_settings

FAILURES = (CheckpointError, OSError, OutputError, SettingsError)
"""What can go wrong with an order that is valid; each says so in words for the caller."""


@dataclass(frozen=True)
class Order:
    """What to generate: images start to start + count - 1 of a seed, and what comes with them."""

    seed: int
    start: int
    count: int
    labelling: Labelling = PLAIN

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            OrderError: a number is out of range.
        """
        if not 0 <= self.seed <= MAX_SEED:
            raise OrderError(f"the seed must be from 0 to {MAX_SEED}, got {self.seed}")
        if self.start < 0 or self.count < 1 or self.start + self.count - 1 > MAX_INDEX:
            raise OrderError(
                f"indices must be from 0 to {MAX_INDEX}, got {self.count} image(s) from {self.start} on"
            )


@dataclass(frozen=True)
class Outcome:
    """What was generated: by which checkpoint, on what device, in how many seconds."""

    checkpoint: Checkpoint
    device: str
    seconds: float


def generate(
    order: Order,
    *,
    kind: str,
    output: Path,
    replace: bool = False,
    validation_every: int | None = None,
    model: str | None = None,
    checkpoint_path: Path | None = None,
    device: str | None = None,
    stop_if_asked: Callable[[], None] = lambda: None,
) -> Outcome:
    """Generate a set of images; it appears at `output` when it is complete, or not at all.

    Shows a progress bar on standard error if that is a terminal.

    Args:
        order: which images.
        kind: `folder`, or a key of `FORMATS` or of `LAYOUTS`.
        output: the folder or file.
        replace: take the place of a set that is there already; a layout never does.
        validation_every: of a layout, see `endotwin.samples.layouts.labelled_sample.LayoutSet`.
        model: name of a checkpoint that the service has; None for the one that the service would choose.
        checkpoint_path: a checkpoint file, instead of a name.
        device: as in `endotwin.settings.Settings`; None for what is set there.
        stop_if_asked: is called for every batch; what it raises ends the work and leaves nothing behind.

    Raises:
        OrderError: there is no model of that name, or no device can have that
            name.
        LabellingError: the model has no labels, the format no place for them, or a part
            of a layout no image.
        SettingsError: a setting or the device does not fit this machine.
        CheckpointError: the checkpoint cannot be used.
        OutputError: there is something at `output` that must stay.
        OSError: the output cannot be written.
    """
    if kind in FORMATS:
        check_format(kind, order.labelling.labels)
    settings = with_device(load_settings(), device)
    target = resolve_device(settings.device)
    checkpoint = choose_checkpoint(settings, order.labelling, model, checkpoint_path)
    sampler = Sampler(checkpoint, str(target))
    with tqdm(total=order.count, unit=" images", disable=None) as progress:
        began = time.perf_counter()
        batches = _batches(sampler, order, progress, stop_if_asked)
        if kind == "folder":
            _write_folder(batches, order, checkpoint, output, replace=replace)
        elif kind in LAYOUTS:
            wanted = LayoutSet(
                seed=order.seed,
                start=order.start,
                count=order.count,
                model=checkpoint.card.name,
                checkpoint_sha256=checkpoint.sha256,
                terms=checkpoint.card.data.terms,
                labelling=order.labelling,
                validation_every=validation_every,
            )
            write_layout(LAYOUTS[kind], wanted, _layout_batches(batches, wanted), output)
        else:
            name, digest = checkpoint.card.name, checkpoint.sha256
            with closing(
                FORMATS[kind](order.seed, order.start, order.count, name, digest, order.labelling)
            ) as archive:
                _write_archive(batches, archive, output, replace=replace)
        seconds = time.perf_counter() - began
    return Outcome(checkpoint, describe_device(target), seconds)


def _batches(
    sampler: Sampler, order: Order, progress: tqdm[None], stop_if_asked: Callable[[], None]
) -> Iterator[Batch]:
    for block, first, last in plan_blocks(order.start, order.count):
        batch = make_batch(sampler, order.seed, block, order.labelling).part(first, last)
        stop_if_asked()
        yield batch
        progress.update(len(batch.images))


def _write_folder(
    batches: Iterator[Batch], order: Order, checkpoint: Checkpoint, output: Path, *, replace: bool
) -> None:
    """Write the files that the tar of the same order holds."""
    start = order.start
    with new_folder(output, partial(require_only_samples, replace=replace)) as folder:
        for batch in batches:
            for name, content in sample_files(
                batch.images,
                order.seed,
                start,
                checkpoint.card.name,
                checkpoint.sha256,
                order.labelling,
                batch.labels(),
            ):
                (folder / name).write_bytes(content)
            start += len(batch.images)


def _layout_batches(batches: Iterator[Batch], wanted: LayoutSet) -> Iterator[list[LayoutSample]]:
    first = wanted.start
    for batch in batches:
        yield list(layout_samples(wanted, batch.images, batch.labels(), first))
        first += len(batch.images)


def _write_archive(batches: Iterator[Batch], archive: Archive, output: Path, *, replace: bool) -> None:
    """Write an archive, byte for byte the one that the service streams."""
    with new_file(output, replace=replace) as file:
        file.write(archive.head())
        for batch in batches:
            file.write(archive.add(batch.images, batch.labels()))
        for piece in archive.held_back():
            file.write(piece)
        file.write(archive.tail())
