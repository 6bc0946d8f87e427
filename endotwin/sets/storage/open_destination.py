"""Open the destination at a place: a folder, or a prefix of a bucket."""

from __future__ import annotations

import time
from collections.abc import Callable

from endotwin.sets.storage.destination import Destination, StorageError
from endotwin.sets.storage.folder import FolderDestination
from endotwin.sets.storage.place import Folder, Place
from endotwin.settings import Settings

_S3_PACKAGES = ("boto3", "botocore", "tenacity")


def open_destination(
    place: Place,
    settings: Settings,
    *,
    stop_if_asked: Callable[[], None],
    note: Callable[[str], None],
    sleep: Callable[[float], None] = time.sleep,
) -> Destination:
    """Return the destination at a place.

    Args:
        place: a folder or a prefix of a bucket.
        settings: of the operator, for storage.
        stop_if_asked: called before every request and during pauses; what it raises ends the work.
        note: called with a line of text for every request that is sent again.
        sleep: waits for a number of seconds before a request is sent again.

    Raises:
        StorageError: the AWS configuration is invalid, or what S3 takes is not installed.
    """
    if isinstance(place, Folder):
        return FolderDestination(place.path)
    try:
        from endotwin.sets.storage.bucket import BucketDestination  # noqa: PLC0415 (an extra)
        from endotwin.sets.storage.retry import Retry  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in _S3_PACKAGES:
            raise
        raise StorageError(
            f"{place}: S3 storage takes {error.name}, which is not installed here: "
            "pip install 'endotwin[s3]'"
        ) from error
    retry = Retry(settings.storage_patience_seconds, stop_if_asked, note, sleep)
    return BucketDestination(place, settings, retry)
