"""Generate images to a file or folder, without a server."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tqdm import tqdm

from endotwin.files import new_file, new_folder
from endotwin.generator.batch import Batch, BatchesAhead
from endotwin.generator.checkpoint import Checkpoint
from endotwin.generator.sampler import sampler_in
from endotwin.image_range import ImageRange
from endotwin.samples.archive import Archive
from endotwin.samples.formats import FORMATS, check_format
from endotwin.samples.labelling import Labelling
from endotwin.samples.layouts.layout import LayoutSet, layout_samples
from endotwin.samples.layouts.writing import LAYOUTS, write_layout
from endotwin.samples.model_options import ModelOptions
from endotwin.samples.npz import check_npz, write_npz
from endotwin.samples.sample import Provenance, require_only_samples, sample_files


@dataclass(frozen=True)
class Generated:
    """What was generated: by which checkpoint, on what device, in how many seconds."""

    checkpoint: Checkpoint
    device: str
    seconds: float


def generate(
    images: ImageRange,
    labelling: Labelling,
    options: ModelOptions,
    *,
    kind: str,
    output: Path,
    replace: bool = False,
    validation_every: int | None = None,
    stop_if_asked: Callable[[], None] = lambda: None,
) -> Generated:
    """Generate images; they appear at `output` when they are complete, or not at all.

    Shows a progress bar on standard error if that is a terminal.

    Args:
        images: which images.
        labelling: labels that come with them, and conditions that they meet.
        options: what makes the images.
        kind: `folder`, `npz`, or a key of `FORMATS` or of `LAYOUTS`.
        output: the folder or file.
        replace: replace a set that is there already; a layout is never replaced.
        validation_every: of a layout, see `LayoutSet`.
        stop_if_asked: is called for every batch; what it raises ends the work and leaves nothing behind.

    Raises:
        ChoiceError: there is no model of that name, or no device can have that name.
        LabellingError: the model has no labels, or the format no place for them, or a part of a
            layout no image.
        SettingsError: a setting or the device does not fit this machine.
        CheckpointError: the checkpoint cannot be used.
        OutputError: there is something at `output` that must stay.
        OSError: the output cannot be written.
    """
    if kind in FORMATS:
        check_format(kind, labelling.labels)
    elif kind == "npz":
        check_npz(labelling.labels)
    with (
        tqdm(total=images.count, unit=" images", disable=None) as progress,
        ThreadPoolExecutor(1, "generator") as thread,
    ):
        progress.set_description("loading the model")
        checkpoint, target = thread.submit(options.load, labelling).result()
        maker = sampler_in(thread, checkpoint, target)
        provenance = Provenance(checkpoint.card.name, checkpoint.generator_sha256, labelling)
        progress.set_description()
        progress.reset()  # the rate is that of the images
        began = time.perf_counter()
        with closing(maker.batches(images, labelling.conditions)) as ahead:
            batches = _watched(ahead, progress, stop_if_asked)
            if kind == "folder":
                _write_folder(batches, provenance, output, replace=replace)
            elif kind in LAYOUTS:
                wanted = LayoutSet(images, provenance, checkpoint.card.data.terms, validation_every)
                samples = (list(layout_samples(wanted, batch)) for batch in batches)
                write_layout(LAYOUTS[kind], wanted, samples, output)
            elif kind == "npz":
                with new_file(output, replace=replace) as file:
                    write_npz(images, provenance, batches, file)
            else:
                _write_archive(batches, FORMATS[kind](images, provenance), output, replace=replace)
        return Generated(checkpoint, maker.device, time.perf_counter() - began)


def _watched(
    ahead: BatchesAhead, progress: tqdm[None], stop_if_asked: Callable[[], None]
) -> Iterator[Batch]:
    for batch in ahead:
        stop_if_asked()
        yield batch
        progress.update(batch.range.count)


def _write_folder(batches: Iterable[Batch], provenance: Provenance, output: Path, *, replace: bool) -> None:
    """Write the files that a tar of the same images holds."""
    with new_folder(output, partial(require_only_samples, replace=replace)) as folder:
        for batch in batches:
            for name, content in sample_files(batch, provenance):
                (folder / name).write_bytes(content)


def _write_archive(batches: Iterable[Batch], archive: Archive, output: Path, *, replace: bool) -> None:
    """Write an archive, byte for byte the one that the service streams."""
    with new_file(output, replace=replace) as file:
        file.write(archive.head())
        for batch in batches:
            file.write(archive.add(batch))
        file.write(archive.tail())
