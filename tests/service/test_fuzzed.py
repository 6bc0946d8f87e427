"""Requests made up from the description get answers that it describes, and no error of the service."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import schemathesis
from fuzzing import ALLOWED_BUCKET, configuration, fuzz
from live_server import LiveServer, free_port
from set_tools import clear_environment
from starlette.types import ASGIApp
from swift_server import Swift

from endotwin.catalogue import load_checkpoints
from endotwin.generator.sampler import Sampler
from endotwin.settings import Settings
from service.access.control import AccessControl
from service.app import create_app
from service.device_queue import DeviceQueue
from service.models import Model, Models
from service.openapi import OTHER_PAGES
from service.request_log import RequestLog
from service.runtime import Runtime


@pytest.fixture
def unreachable_storage(monkeypatch: pytest.MonkeyPatch) -> None:
    clear_environment(monkeypatch)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nothing")


@pytest.fixture
def application(unreachable_storage: None, labelled_checkpoint: Path, tmp_path: Path) -> Iterator[ASGIApp]:
    """Yield the application with tiny models, and jobs that fail for want of a storage."""
    settings = Settings(
        max_images=4,
        jobs_store=tmp_path / "jobs.sqlite",
        storage_allow=(ALLOWED_BUCKET,),
        storage_patience_seconds=0,
    )
    checkpoints = load_checkpoints(labelled_checkpoint.parent, allow_unscored=False).values()
    models = Models([Model(one.card, one.generator_sha256, [Sampler(one)]) for one in checkpoints], "tiny")
    app = create_app()
    app.state.runtime = Runtime(settings, models, DeviceQueue(), "test")
    yield RequestLog(AccessControl(app, app.state))
    app.state.runtime.close()


def test_some_hundred_requests(application: ASGIApp) -> None:
    schema = schemathesis.openapi.from_asgi("/docs.json", application, config=configuration(2))
    of_bentoml = "|".join(path for path in OTHER_PAGES if path != "/")
    findings = fuzz(schema.exclude(path_regex=f"^({of_bentoml})$"))
    assert findings.failures == {}
    assert findings.cases > 200
    assert {200, 202, 400, 403, 404, 405, 409, 415} <= findings.statuses.keys()


@pytest.mark.long
def test_ten_thousand_requests_to_a_running_service(
    aws: dict[str, str], swift_server: Swift, labelled_checkpoint: Path, tmp_path: Path
) -> None:
    """An hour on two busy cores; the figures are printed."""
    with suppress(swift_server.client().exceptions.BucketAlreadyOwnedByYou):
        swift_server.client().create_bucket(Bucket=ALLOWED_BUCKET)
    live = LiveServer(
        tmp_path,
        checkpoint_dir=str(labelled_checkpoint.parent),
        default_model="tiny",
        max_images="16",
        jobs_store=str(tmp_path / "jobs.sqlite"),
        jobs_max_images="32",
        jobs_max_open="10000",
        storage_allow=ALLOWED_BUCKET,
        storage_patience_seconds="5",
    )
    statuses: Counter[int] = Counter()
    try:
        for seed in itertools.count(1):
            address = f"http://127.0.0.1:{live.port}/docs.json"
            schema = schemathesis.openapi.from_url(address, config=configuration(150, seed), timeout=120)
            findings = fuzz(schema)
            statuses += findings.statuses
            print(f"seed {seed}: {statuses.total()} requests, {sorted(statuses.items())}", flush=True)
            assert not findings.failures, findings.failures
            if statuses.total() >= 10_000:
                break
        assert not any(status >= 500 for status in statuses)
        assert "Traceback" not in live.log()
    finally:
        live.stop()
