"""Large sets: shards of images with a manifest, in one folder or below one prefix of S3 storage."""

from __future__ import annotations

from endotwin.image_range import BATCH

USUAL_SHARDS = 32
"""Every worker of a DataLoader needs a shard of its own: this many serve four workers of eight GPUs."""

LARGEST_USUAL_SHARD = 25_000
"""Images: about 235 MB with their records, 360 MB with borders and instances. Large enough that a reader
streams at the speed of its disk or network and that a million images are forty objects; small enough to be
made again within minutes after a crash, and for two of them to wait in temporary files until they are sent.
Every boundary that is no multiple of the batch of 16 costs half a batch, here 0.03 %."""


def usual_shard_size(n: int) -> int:
    """Return the images of a shard in a set of n for which no size was asked.

    It makes `USUAL_SHARDS` or more, as far as there are images, and whole batches where it can.
    """
    size = min(n // USUAL_SHARDS, LARGEST_USUAL_SHARD)
    return size - size % BATCH if size > BATCH else max(size, 1)


LARGEST_SHARD = 1_000_000
"""Images: about 10 GB."""

MAX_SHARDS = 1_000_000
"""Shards are numbered with six digits, so that their names sort."""
