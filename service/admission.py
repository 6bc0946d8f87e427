"""The limit on open streams."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from service import metrics
from service.error_codes import ErrorCode
from service.errors import ApiError

RETRY_AFTER_SECONDS = 5


class Admission:
    """Limit the open streams of this process; used by the event loop's thread alone."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.open = 0

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold one of the places while the block runs.

        Raises:
            ApiError: 503 with Retry-After, when all are taken.
        """
        if self.open >= self.limit:
            raise ApiError(
                ErrorCode.TOO_MANY_STREAMS,
                f"all {self.limit} streams of this service are in use; try again in a few seconds",
                headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
            )
        self.open += 1
        metrics.OPEN_STREAMS.inc()
        try:
            yield
        finally:
            self.open -= 1
            metrics.OPEN_STREAMS.dec()
