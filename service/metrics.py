"""What Prometheus can scrape at /metrics (docs/operator.md).

BentoML's /metrics adds up the files that each worker writes under PROMETHEUS_MULTIPROC_DIR, so that
variable has to be set before this module is imported. Every label takes its values from a short, fixed
list: models, formats, outcomes, error codes.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from prometheus_client import Counter, Gauge, Histogram, multiprocess

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
    OPEN_STREAMS,
    RECORDED_FID,
    *OF_JOBS,
)


def forget_dead_workers() -> None:
    """Remove the live gauges of workers that were killed; they would be added up for ever."""
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if not folder:
        return
    for path in Path(folder).glob("gauge_live*.db"):
        match = re.fullmatch(r"gauge_live\w+_(\d+)\.db", path.name)
        if match and not _is_running(int(match[1])):
            multiprocess.mark_process_dead(int(match[1]))  # type: ignore[no-untyped-call]


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it runs, as another user
        return True
    return True
