"""From a place to the destination that writes there."""

from __future__ import annotations

from collections.abc import Callable

from service.sets.bucket import BucketDestination
from service.sets.destination import Destination
from service.sets.folder import FolderDestination
from service.sets.place import Bucket, Place
from service.sets.retry import Retry
from service.settings import Settings


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
        service.sets.destination.StorageError: the AWS configuration makes no sense.
    """
    if isinstance(place, Bucket):
        return BucketDestination(
            place, settings, Retry(settings.storage_patience_seconds, stop_if_asked, note)
        )
    return FolderDestination(place.path)
