"""The lease of a job: renewed by the service that works on it, and lost when it has to stop."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from job_tools import CHECKPOINT, LONG, add_job

from service.jobs.job import Counts
from service.jobs.lease import Lease, StopError
from service.jobs.store import JobStore


def lease_of(store: JobStore, seconds: float, stopping: threading.Event) -> tuple[Lease, str]:
    job, token = store.take_to_make([CHECKPOINT], seconds)
    lease = Lease(store, job, token, seconds=seconds, stopping=stopping, counts=lambda: Counts(shards=3))
    return lease, token


def wait_until_over(lease: Lease) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            lease.check()
        except StopError:
            return
        time.sleep(0.01)
    raise AssertionError("the lease was not given up")


def test_a_lease_is_renewed_with_how_far_the_job_is(store: JobStore) -> None:
    job = add_job(store)
    lease, _ = lease_of(store, 2.0, threading.Event())
    with lease:
        time.sleep(3.0)
        assert store.take_to_make([CHECKPOINT], 1.0) is None
        lease.check()
    assert store.get(job.id).counts.shards == 3


def test_a_lease_ends_when_the_job_is_cancelled(store: JobStore) -> None:
    job = add_job(store)
    lease, _ = lease_of(store, 1.0, threading.Event())
    with lease:
        lease.check()
        store.cancel(job.id)
        wait_until_over(lease)


def test_a_lease_ends_when_another_has_the_job(store: JobStore) -> None:
    job = add_job(store)
    lease, token = lease_of(store, 1.0, threading.Event())
    with lease:
        store.release(job.id, token)
        store.take_to_make([CHECKPOINT], LONG)
        wait_until_over(lease)


def test_a_lease_ends_when_it_cannot_be_renewed(store: JobStore, path: Path) -> None:
    add_job(store)
    lease, _ = lease_of(store, 1.0, threading.Event())
    store.close()  # as a disk that fails
    with lease:
        wait_until_over(lease)


def test_a_lease_ends_when_the_service_stops(store: JobStore) -> None:
    add_job(store)
    stopping = threading.Event()
    lease, _ = lease_of(store, LONG, stopping)
    with lease:
        lease.check()
        stopping.set()
        wait_until_over(lease)
