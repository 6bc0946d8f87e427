"""A Swift server for jobs, and services in this process that write to it."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from live_server import Client

# What the tests of sets have, these have too: the server, and sets that are made in peace.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sets"))

from job_tools import JobClient
from set_tools import without_aws_configuration
from swift_server import ACCESS_KEY, SECRET_KEY, Swift, missing, running_swift

_numbers = itertools.count()


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the settings and the AWS configuration of whoever runs the tests out of them."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "ENDOTWIN_"))]:
        monkeypatch.delenv(name)
    for name, value in without_aws_configuration().items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="session")
def swift_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Swift]:
    absent = missing()
    if absent is not None:
        pytest.skip(f"no S3 server to test against: {absent}")
    with running_swift(tmp_path_factory.mktemp("swift")) as server:
        yield server


@pytest.fixture
def aws(swift_server: Swift, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the variables that lead to Swift."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", swift_server.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)


@pytest.fixture
def bucket(swift_server: Swift, aws: None) -> str:
    """Make an empty bucket."""
    name = f"jobs-{next(_numbers)}"
    swift_server.client().create_bucket(Bucket=name)
    return name


@pytest.fixture
def serve_jobs(serve_sampler: Callable[..., Client], tmp_path: Path) -> Callable[..., JobClient]:
    """Return a function that serves images and jobs of any batch source, from within this process.

    All its services have one store. Anything in buckets `jobs-…` and below `allowed/sets` may be written.
    """

    def serve(sampler: object, **settings: object) -> JobClient:
        allowed = (*(f"jobs-{number}" for number in range(100)), "allowed/sets")
        usual = {"jobs_store": tmp_path / "jobs.sqlite", "storage_allow": allowed, "jobs_lease_seconds": 2}
        return JobClient(serve_sampler(sampler, **{**usual, **settings}).port)

    return serve
