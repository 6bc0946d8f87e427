"""The progress of a set for the person who waits: a bar on a terminal, lines in a log."""

from __future__ import annotations

import threading
import time

import typer
from tqdm import tqdm

from endotwin.sets.plan import Shard
from endotwin.sets.storage.record import ShardRecord


class ProgressBar:
    """Shows images, their rate, the time left, shards and bytes; a `endotwin.sets.make.SetProgress`."""

    def __init__(self, images: int, shards: int) -> None:
        """Start at zero of as many images and shards."""
        self._shards = shards
        self._done = self._generated = self._bytes = 0
        self._lock = threading.Lock()
        self._began = time.perf_counter()
        self._bar: tqdm[None] = tqdm(
            total=images, unit=" images", unit_scale=True, smoothing=0.05, disable=None
        )
        self._show()

    def found(self, shard: Shard) -> None:
        """Count a shard that was there already."""
        with self._lock:
            self._done += 1
            if not self._bar.disable:
                self._bar.initial += shard.samples  # the rate is that of the others
                self._bar.last_print_n += shard.samples
                self._bar.n += shard.samples
            self._show()

    def generated(self, images: int) -> None:
        """Count images that were generated."""
        with self._lock:
            self._generated += images
            self._bar.update(images)

    def made(self, shard: Shard, record: ShardRecord) -> None:
        """Count a shard that was made and is in place."""
        with self._lock:
            self._done += 1
            self._bytes += record.size
            self._show()
        if self._bar.disable:
            print_note(
                f"{shard.key}: {record.samples} images, {format_bytes(record.size)}; {self._done} of "
                f"{self._shards} shards, {self.rate:.1f} images/s"
            )

    @property
    def rate(self) -> float:
        """Images per second since the start."""
        return self._generated / (time.perf_counter() - self._began)

    def close(self) -> None:
        """Leave the bar as it is."""
        self._bar.close()

    def _show(self) -> None:
        self._bar.set_postfix_str(
            f"{self._done}/{self._shards} shards, {format_bytes(self._bytes)} written"
        )


def print_note(text: str) -> None:
    """Print a line beside the bar, if there is one."""
    with tqdm.external_write_mode():
        typer.echo(text, err=True)


def format_bytes(size: float) -> str:
    """Return a size such as `1.90GB`, in powers of a thousand."""
    return str(tqdm.format_sizeof(size, "B"))
