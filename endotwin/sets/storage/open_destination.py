"""From a place to the destination that writes there."""

from __future__ import annotations

from collections.abc import Callable

from endotwin.sets.storage.bucket import BucketDestination
from endotwin.sets.storage.destination import Destination
from endotwin.sets.storage.folder import FolderDestination
from endotwin.sets.storage.place import Bucket, Place
from endotwin.sets.storage.retry import Retry
from endotwin.settings import Settings


def open_destination(
    place: Place, settings: Settings, *, stop_if_asked: Callable[[], None], note: Callable[[str], None]
) -> Destination:
    """Return the destination at a place.

    Args:
        place: a folder or a prefix of a bucket.
        settings: the operator's, for storage.
        stop_if_asked: is called before every request and during pauses; what it raises ends the work.
        note: is told about requests that are tried again.

    Raises:
        StorageError: the AWS configuration makes no sense.
    """
    if isinstance(place, Bucket):
        return BucketDestination(
            place, settings, Retry(settings.storage_patience_seconds, stop_if_asked, note)
        )
    return FolderDestination(place.path)
