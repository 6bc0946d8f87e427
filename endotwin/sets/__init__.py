"""Large sets: shards of images with a manifest, in one folder or below one prefix of S3 storage."""

DEFAULT_SHARD_SIZE = 25_000
"""Images: about 235 MB with their records, 360 MB with borders and instances. Large enough that a reader
streams at the speed of its disk or network and that a million images are forty objects; small enough to be
made again within minutes after a crash, and for two of them to wait in temporary files until they are sent.
Every boundary that is no multiple of the batch of 16 costs half a batch, here 0.03 %."""

LARGEST_SHARD = 1_000_000
"""Images: about 10 GB."""

MAX_SHARDS = 1_000_000
"""Shards are numbered with six digits, so that their names sort."""
