"""Buckets for jobs, and services in this process that write to it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from job_tools import Held, JobClient, Serve
from live_server import Client
from set_tools import clear_environment
from swift_server import Swift

from service.jobs.store import JobStore

_numbers = itertools.count()


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clear the settings and the AWS configuration of the person who runs the tests."""
    clear_environment(monkeypatch)


@pytest.fixture
def bucket(swift_server: Swift, aws: dict[str, str]) -> str:
    """Make an empty bucket."""
    name = f"jobs-{next(_numbers)}"
    swift_server.client().create_bucket(Bucket=name)
    return name


@pytest.fixture
def serve_jobs(serve_sampler: Callable[..., Client], tmp_path: Path) -> Serve:
    """Return a function that serves images and jobs of any batch source, from within this process.

    All its services have one store. Anything in buckets `jobs-…` and below `allowed/sets` may be written.
    """

    def serve(sampler: object, **settings: object) -> JobClient:
        allowed = (*(f"jobs-{number}" for number in range(100)), "allowed/sets")
        usual = {"jobs_store": tmp_path / "jobs.sqlite", "storage_allow": allowed, "jobs_lease_seconds": 2}
        return JobClient(serve_sampler(sampler, **{**usual, **settings}).port)

    return serve


@pytest.fixture
def held() -> Iterator[Held]:
    """Yield a source that waits before its second batch; whatever happens, it goes on at the end."""
    held = Held(free=1)
    yield held
    held.release()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "jobs.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[JobStore]:
    """Yield an empty store, of the services of `serve_jobs`, too."""
    store = JobStore(path)
    yield store
    store.close()
