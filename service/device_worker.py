"""The thread that owns one device: started again if it dies, and it tries a device that failed again."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from service import metrics

if TYPE_CHECKING:
    from endotwin.generator.device import DeviceProblem

logger = logging.getLogger("endotwin")

_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 1.0, 30.0
"""Between two tries of a device that has failed: twice as long each time."""

_RESTART_SECONDS = 1.0
_STUCK_SECONDS = 120.0
"""How long one batch may take before the device counts as one that does not answer."""


class DeviceWorker:
    """One device of the service and its thread. All but `problem` is for the thread and its queue.

    Attributes:
        index: of the device among those of the service, and of its sampler among those of a model.
        calls: functions to run in the thread, each with the future of its result.
        failure: what is wrong with the device; None while it works.
        busy_since: when the batch began that it works on (time.monotonic); None between batches.
    """

    def __init__(self, index: int, serve: Callable[[DeviceWorker], bool]) -> None:
        """Start the thread.

        Args:
            index: see above.
            serve: wait for work and do it; return whether there can be more.
        """
        self.index = index
        self.calls: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self.failure: DeviceProblem | None = None
        self.busy_since: float | None = None
        self.pause = _FIRST_PAUSE_SECONDS
        self._serve = serve
        self._probe: Callable[[], object] = lambda: None
        self._failed_at = 0.0
        self._start(after=0.0)

    @property
    def problem(self) -> str | None:
        """Why nothing comes from the device, in a few words; None while it works."""
        failure, since = self.failure, self.busy_since
        if failure is not None:
            return failure.text
        if since is not None and (seconds := time.monotonic() - since) > _STUCK_SECONDS:
            return f"the device has not answered for {seconds:.0f} s"
        return None

    @property
    def seconds_gone(self) -> float:
        """How long the device has been in a state that only a new process leaves; 0 if it is not."""
        failure = self.failure
        return time.monotonic() - self._failed_at if failure is not None and failure.lasting else 0.0

    def lose(self, failure: DeviceProblem, probe: Callable[[], object]) -> None:
        """Note a failure of the device.

        Args:
            failure: what is wrong.
            probe: does again what failed.
        """
        self.failure, self._probe = failure, probe
        self._failed_at = time.monotonic()
        self.pause = _FIRST_PAUSE_SECONDS
        metrics.DEVICE_FAILURES.labels("failed" if failure.lasting else "out_of_memory").inc()
        metrics.DEVICES_READY.dec()
        logger.error("device %d: %s; it is tried again until it works", self.index, failure.text)

    def try_again(self) -> None:
        """Do again what failed, in the device's thread; if that goes well, the device works again."""
        from endotwin.generator.device import device_problem, release_memory  # noqa: PLC0415

        try:
            release_memory()
            self._probe()
        except Exception as error:
            failure = device_problem(error)
            if failure is not None:  # else the device works, and what is wrong is something else
                self.failure = failure
                self.pause = min(2 * self.pause, _LONGEST_PAUSE_SECONDS)
                logger.warning(
                    "device %d: still %s; next try in %.0f s", self.index, failure.text, self.pause
                )
                return
        self.failure = None
        self._probe = lambda: None
        metrics.DEVICES_READY.inc()
        logger.info("device %d works again after %.1f s", self.index, time.monotonic() - self._failed_at)

    def join(self, seconds: float) -> None:
        """Wait for the thread to end, if it does within that time."""
        self._thread.join(seconds)

    def _start(self, after: float) -> None:
        # A daemon: a device that does not answer does not keep the process from ending.
        self._thread = threading.Thread(
            target=self._run, args=(after,), name=f"device {self.index}", daemon=True
        )
        self._thread.start()

    def _run(self, after: float) -> None:
        time.sleep(after)
        try:
            while self._serve(self):
                pass
        except BaseException:
            metrics.DEVICE_THREADS_DIED.inc()
            logger.exception("the thread of device %d died; another one is started", self.index)
            self.busy_since = None
            self._start(_RESTART_SECONDS)
