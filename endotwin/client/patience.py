"""How long a request that fails is tried again."""

from __future__ import annotations

import random

from endotwin.client.errors import ClientError, ConnectionFailedError, ServiceError

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 15.0
_GATEWAY = frozenset({502, 504})
"""Statuses of a proxy that does not reach the service."""


class Patience:
    """Decides how long to wait before the next try, and when to give up.

    As long as something arrives in between, failures do not add up.
    """

    def __init__(self, seconds: float, *, reached: bool) -> None:
        """Begin a request.

        Args:
            seconds: most seconds to wait in all, without anything arriving.
            reached: whether the service has answered before. If not, its address may be wrong, and a
                connection that fails is not tried again.
        """
        self._seconds = seconds
        self._reached = reached
        self._waited = 0.0
        self._pause = _FIRST_PAUSE

    def renew(self) -> None:
        """Note that something has arrived."""
        self._reached = True
        self._waited, self._pause = 0.0, _FIRST_PAUSE

    def after_refusal(self, error: ServiceError) -> float:
        """Return the seconds to wait after an error of the service: as many as it says.

        Raises:
            ServiceError: the service says no time, or a longer one than there is patience.
        """
        self._reached = True
        if error.retry_after is not None:
            return self._wait(error.retry_after, error)
        if error.status in _GATEWAY and error.code is None:
            return self._wait(self._next_pause(), error)
        raise error

    def after_failure(self, error: Exception, where: str) -> float:
        """Return the seconds to wait after a connection that failed, or a stream that was cut or damaged.

        Args:
            error: what happened.
            where: address of the service.

        Raises:
            ConnectionFailedError: the patience is at its end.
        """
        about = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        if not self._reached:
            raise ConnectionFailedError(f"no service answers at {where} ({about})") from error
        lost = ConnectionFailedError(
            f"the service at {where} was lost and did not come back within {self._seconds:g} s ({about})"
        )
        lost.__cause__ = error
        return self._wait(self._next_pause(), lost)

    def _next_pause(self) -> float:
        pause = self._pause * random.uniform(0.5, 1.0)  # clients that were cut together come back apart
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)
        return pause

    def _wait(self, seconds: float, error: ClientError) -> float:
        self._waited += seconds
        if self._waited > self._seconds:
            raise error
        return seconds
