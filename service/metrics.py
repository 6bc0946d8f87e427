"""What Prometheus can scrape at /metrics (docs/operator.md), beside what `service.metrics_page` looks up.

Every label takes its values from a short, fixed list: routes, methods, models, formats, outcomes, error
codes. Nothing that a client writes becomes one.

BentoML's supervisor sets PROMETHEUS_MULTIPROC_DIR, the folder in which its workers keep what they count,
before this module is imported.
"""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path

from prometheus_client import Counter, Gauge, Histogram, multiprocess

logger = logging.getLogger("endotwin")

IMAGES = Counter("endotwin_images", "Images sent to clients.", ["model", "format"])
BYTES = Counter("endotwin_bytes", "Bytes of archives sent to clients.", ["model", "format"])
REQUESTS = Counter(
    "endotwin_requests",
    "Requests for images by how they ended: complete, aborted (the client left or stalled, or the server "
    "stopped), failed (an error of the service), refused (with the code of the error; else empty).",
    ["outcome", "code"],
)
FIRST_BYTE_SECONDS = Histogram(
    "endotwin_first_byte_seconds",
    "Seconds from an accepted request to its first bytes, waiting for the device included.",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120),
)
DEVICE_SECONDS = Histogram(
    "endotwin_device_seconds",
    "Seconds the device worked on one batch of 16 images, waiting not included.",
    ["model"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
DEVICE_IMAGES = Counter(
    "endotwin_device_images",
    "Images that devices made; 16 a batch where batches are full.",
    ["model"],
)
DEVICES_READY = Gauge(
    "endotwin_devices_ready", "Devices that can generate now.", multiprocess_mode="livesum"
)
DEVICE_FAILURES = Counter(
    "endotwin_device_failures",
    "Times that a device could not generate: out_of_memory, failed (an error of CUDA).",
    ["kind"],
)
DEVICE_THREADS_DIED = Counter(
    "endotwin_device_threads_died", "Threads of devices that died; another one took their place."
)
BATCHES_SHARED = Gauge(
    "endotwin_batches_shared",
    "Whether requests for few images of a model share a batch: 1, or 0 where an image would depend on it.",
    ["model"],
    multiprocess_mode="livemin",
)
RELOADS = Counter(
    "endotwin_reloads",
    "Times that the folder of checkpoints was read again: complete, partial (a file could not be used), "
    "failed (nothing was changed).",
    ["outcome"],
)
ENCODING_SECONDS = Histogram(
    "endotwin_encoding_seconds",
    "Seconds spent on encoding one batch of at most 16 images.",
    ["format"],
    buckets=(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1),
)
QUEUE_LENGTH = Gauge(
    "endotwin_queue_length",
    "Batches that wait for the device.",
    ["kind"],
    multiprocess_mode="livesum",
)
QUEUE_SECONDS = Histogram(
    "endotwin_queue_seconds",
    "Seconds that a batch waited for the device.",
    ["kind"],
    buckets=(0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120),
)
HTTP_REQUESTS = Counter(
    "endotwin_http_requests",
    "Requests of any kind by the template of the route, the method and the status (0: none was sent).",
    ["route", "method", "status"],
)
HTTP_SECONDS = Histogram(
    "endotwin_http_request_seconds",
    "Seconds from a request to the end of its answer.",
    ["route"],
    buckets=(0.005, 0.025, 0.1, 0.5, 2.5, 10, 60, 600, 3600),
)
OPEN_CONNECTIONS = Gauge(
    "endotwin_open_connections",
    "Connections of clients, those that wait for a request included.",
    multiprocess_mode="livesum",
)
CONNECTIONS_CLOSED = Counter(
    "endotwin_connections_closed",
    "Connections that the service closed: room (for another one), request_timeout (half a request came), "
    "unread (the client did not take the end of an answer).",
    ["reason"],
)
WORKER_RESTARTS = Counter(
    "endotwin_worker_restarts",
    "Workers that came after one that has ended, since the supervisor of BentoML was started.",
)
OPEN_STREAMS = Gauge(
    "endotwin_open_streams", "Streams that are being answered now.", multiprocess_mode="livesum"
)
JOBS = Gauge(
    "endotwin_jobs",
    "Jobs in the store by state.",
    ["state"],
    multiprocess_mode="livemostrecent",
)
JOBS_ENDED = Counter(
    "endotwin_jobs_ended",
    "Jobs that this service brought to an end: complete, failed, cancelled, cancel_failed.",
    ["state"],
)
JOB_IMAGES = Counter("endotwin_job_images", "Images generated for jobs.", ["model", "format"])
JOB_SHARDS = Counter("endotwin_job_shards", "Shards that jobs put in place.", ["model", "format"])
RECORDED_FID = Gauge(
    "endotwin_recorded_fid",
    "FID recorded in the card of a model (generated against training crops).",
    ["model"],
    multiprocess_mode="livemax",
)

# A rate needs the zero before the first of them.
for _outcome, _code in (("complete", ""), ("aborted", ""), ("failed", "internal_error")):
    REQUESTS.labels(_outcome, _code)
for _reason in ("room", "request_timeout", "unread"):
    CONNECTIONS_CLOSED.labels(_reason)
for _kind in ("out_of_memory", "failed"):
    DEVICE_FAILURES.labels(_kind)
for _outcome in ("complete", "partial", "failed"):
    RELOADS.labels(_outcome)
for _kind in ("stream", "job"):
    QUEUE_LENGTH.labels(_kind)
    QUEUE_SECONDS.labels(_kind)

OF_JOBS = (JOBS, JOBS_ENDED, JOB_IMAGES, JOB_SHARDS)
"""Those that only a service that takes jobs serves."""

ALL = (
    IMAGES,
    BYTES,
    REQUESTS,
    FIRST_BYTE_SECONDS,
    DEVICE_SECONDS,
    DEVICE_IMAGES,
    DEVICES_READY,
    DEVICE_FAILURES,
    DEVICE_THREADS_DIED,
    BATCHES_SHARED,
    RELOADS,
    ENCODING_SECONDS,
    QUEUE_LENGTH,
    QUEUE_SECONDS,
    HTTP_REQUESTS,
    HTTP_SECONDS,
    OPEN_CONNECTIONS,
    CONNECTIONS_CLOSED,
    WORKER_RESTARTS,
    OPEN_STREAMS,
    RECORDED_FID,
    *OF_JOBS,
)


def forget_dead_workers() -> None:
    """Count a restart if a worker before this one has ended, and remove the live gauges that it left.

    They would be added up for ever.
    """
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if not folder:
        return
    found = (re.fullmatch(r"\w+_(\d+)\.db", path.name) for path in Path(folder).glob("*.db"))
    ended = sorted({int(match[1]) for match in found if match and not _is_running(int(match[1]))})
    for pid in ended:
        multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]
    if ended:
        WORKER_RESTARTS.inc()
        logger.warning("this worker replaces one that has ended: process %d", ended[-1])


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it runs, as another user
        return True
    return True
