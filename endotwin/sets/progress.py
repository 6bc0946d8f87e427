"""How a run goes on, for the person who waits: a bar on a terminal, lines in a log."""

from __future__ import annotations

import time

import typer
from tqdm import tqdm

from endotwin.sets.plan import Shard
from endotwin.sets.storage.record import ShardRecord


class Progress:
    """See `endotwin.sets.run.Report`. Shows images, their rate, the time left, shards and bytes."""

    def __init__(self, images: int, shards: int) -> None:
        """Begin a run that is to end with as many images and shards."""
        self._shards = shards
        self._done = self._generated = self._bytes = 0
        self._began = time.perf_counter()
        self._bar: tqdm[None] = tqdm(
            total=images, unit=" images", unit_scale=True, smoothing=0.05, disable=None
        )
        self._show()

    def found(self, shard: Shard) -> None:
        """Count a shard that is there already."""
        self._done += 1
        if not self._bar.disable:
            self._bar.initial += shard.images.count  # the rate is that of the others
            self._bar.last_print_n += shard.images.count
            self._bar.n += shard.images.count
        self._show()

    def generated(self, images: int) -> None:
        """Count images."""
        self._generated += images
        self._bar.update(images)

    def made(self, shard: Shard, record: ShardRecord) -> None:
        """Count a shard that is in place."""
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
        """Images per second since the run began."""
        return self._generated / (time.perf_counter() - self._began)

    def close(self) -> None:
        """Leave the bar as it is."""
        self._bar.close()

    def _show(self) -> None:
        self._bar.set_postfix_str(
            f"{self._done}/{self._shards} shards, {format_bytes(self._bytes)} written"
        )


def print_note(text: str) -> None:
    """Print a line beside whatever bar there is."""
    with tqdm.external_write_mode():
        typer.echo(text, err=True)


def format_bytes(size: float) -> str:
    """Return a size as people read it, such as `1.9 GB`, in powers of a thousand."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"


def format_seconds(seconds: float) -> str:
    """Return a duration as people read it, such as `2 h 5 min`."""
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
