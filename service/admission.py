"""The limits on open streams: of the service, and of each caller."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum

from endotwin.settings import Settings
from service import metrics
from service.access.caller import Caller
from service.error_codes import ErrorCode
from service.errors import ApiError

_RETRY_AFTER_SECONDS = 5


class Place(Enum):
    """What a stream holds while it is open: a place for any request, or one kept free for small ones."""

    ANY = "any"
    SMALL = "small"


class Admission:
    """Limit the open streams of this process; used by the event loop's thread alone."""

    def __init__(self, settings: Settings) -> None:
        self._limits = {Place.ANY: settings.max_streams, Place.SMALL: settings.small_streams}
        self._small_images = settings.small_images
        self._limit_of_caller = settings.max_streams_per_caller
        self._open: Counter[Place] = Counter()
        self._open_of_caller: Counter[str] = Counter()

    @contextmanager
    def place(self, caller: Caller, images: int) -> Iterator[Place]:
        """Hold a place while the block runs.

        Args:
            caller: who asks.
            images: how many; few of them may take a place that is kept free for small requests.

        Raises:
            ApiError: 503 when all places are taken, 429 when the caller has as many streams as one may
                have; both with Retry-After.
        """
        place = self._free_place(images)
        limit = self._limit_of_caller if caller.streams is None else caller.streams
        if self._open_of_caller[caller.name] >= limit:
            are = "stream of yours is" if limit == 1 else "streams of yours are"
            raise _refusal(
                ErrorCode.TOO_MANY_STREAMS_OF_CALLER,
                f"{limit} {are} open, as many as a caller may have; end one, or wait for it",
            )
        self._open[place] += 1
        self._open_of_caller[caller.name] += 1
        metrics.OPEN_STREAMS.inc()
        try:
            yield place
        finally:
            self._open[place] -= 1
            self._open_of_caller -= Counter([caller.name])  # drops callers without streams
            metrics.OPEN_STREAMS.dec()

    def _free_place(self, images: int) -> Place:
        if self._is_free(Place.ANY):
            return Place.ANY
        limit = self._limits[Place.ANY]
        places = (
            f"all {limit} streams of this service are"
            if limit > 1
            else "the only stream of this service is"
        )
        message = f"{places} in use; try again in a few seconds"
        if self._is_free(Place.SMALL):
            if images <= self._small_images:
                return Place.SMALL
            message += f", or ask for at most {self._small_images} images"
        raise _refusal(ErrorCode.TOO_MANY_STREAMS, message)

    def _is_free(self, place: Place) -> bool:
        return self._open[place] < self._limits[place]


def _refusal(code: ErrorCode, message: str) -> ApiError:
    return ApiError(code, message, headers={"Retry-After": str(_RETRY_AFTER_SECONDS)})
