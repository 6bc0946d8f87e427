"""Images per key and day: what counts, what is given back, and that nothing makes the service forget."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from job_tools import Held, JobClient
from key_tools import make_key
from live_server import Client, LiveServer, wait_for

from endotwin.settings import SettingsError
from service.access.caller import Caller
from service.access.quota import Quota
from service.errors import ApiError

NOON = 1_764_331_200.0
"""2025-11-28, 12:00 UTC."""


def lab(images_per_day: int | None) -> Caller:
    return Caller("lab", images_per_day=images_per_day, by_key=True)


def refused(quota: Quota, caller: Caller, images: int) -> ApiError:
    with pytest.raises(ApiError) as refusal:
        quota.charge(caller, images)
    return refusal.value


def test_a_day_has_so_many_images_and_a_new_day_as_many_again(tmp_path: Path) -> None:
    now = NOON
    quota = Quota(tmp_path / "usage", lambda: now)
    quota.charge(lab(100), 60)
    error = refused(quota, lab(100), 41)
    assert (error.status, error.code) == (429, "quota_exhausted")
    assert error.headers["Retry-After"] == str(12 * 3600)
    assert "lab has 40 of 100 images left until midnight UTC, and this asks for 41" in error.message
    quota.charge(lab(100), 40)
    now = NOON + 12 * 3600 - 0.5
    assert refused(quota, lab(100), 1).headers["Retry-After"] == "1"
    now += 0.5
    quota.charge(lab(100), 100)
    quota.close()


def test_a_quota_of_one_and_of_none(tmp_path: Path) -> None:
    quota = Quota(tmp_path / "usage", lambda: NOON)
    quota.charge(lab(1), 1)
    assert refused(quota, lab(1), 1).status == 429
    quota.charge(Caller("other", images_per_day=1), 1)
    error = refused(quota, lab(1), 2)
    assert (error.status, error.code, error.field) == (403, "over_limit", "n")
    quota.close()
    unlimited = Quota(tmp_path / "not there" / "usage")
    unlimited.charge(lab(None), 10**9)


def test_what_was_counted_is_there_after_a_restart(tmp_path: Path) -> None:
    first = Quota(tmp_path / "usage", lambda: NOON)
    first.charge(lab(10), 10)
    second = Quota(tmp_path / "usage", lambda: NOON)  # the first was killed
    assert refused(second, lab(10), 1).status == 429
    assert second.open().run("PRAGMA synchronous") == [{"synchronous": 2}]  # FULL
    first.close()
    second.close()


def test_services_that_count_at_once_count_right(tmp_path: Path) -> None:
    quotas = [Quota(tmp_path / "usage", lambda: NOON) for _ in range(4)]
    granted = []

    def ask(quota: Quota) -> None:
        for _ in range(10):
            with suppress(ApiError):
                quota.charge(lab(100), 7)
                granted.append(7)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(ask, quotas))
    assert sum(granted) == 98
    for quota in quotas:
        quota.close()


def test_what_is_not_sent_is_given_back(tmp_path: Path) -> None:
    quota = Quota(tmp_path / "usage", lambda: NOON)
    day = quota.charge(lab(10), 10)
    quota.give_back(lab(10), day, 4)
    assert refused(quota, lab(10), 5).status == 429
    quota.charge(lab(10), 4)
    assert refused(quota, lab(10), 1).status == 429
    quota.close()


def test_a_file_that_fails_lets_nobody_count_for_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    quota = Quota(tmp_path / "not there" / "usage")
    assert refused(quota, lab(10), 1).status == 503
    assert "ENDOTWIN_USAGE_STORE" in caplog.text
    with pytest.raises(SettingsError, match=r"ENDOTWIN_USAGE_STORE: .*file of images per key"):
        quota.open()


def test_streams_and_jobs_count(serve_sampler: Callable[..., Client], tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    key = make_key(file, "lab", "generate", "jobs", images_per_day=50, job_images=20)
    free = make_key(file, "free", "generate")
    held = Held(free=10**6)
    store = {"jobs_store": tmp_path / "jobs.sqlite", "storage_allow": ("bucket",)}
    client = JobClient(serve_sampler(held, keys_file=file, **store).port, key)
    order = {"seed": 1, "destination": "s3://bucket/set"}
    reply = client.post({**order, "n": 21})
    assert (reply.status, reply.error["code"], reply.error["field"]) == (403, "over_limit", "n")
    for _ in range(3):  # the same job, counted once
        identity = client.created({**order, "n": 20}, **{"Idempotency-Key": "1"})
    assert client.post({**order, "n": 20}).error["code"] == "destination_in_use"
    assert client.request("/generate?n=0").status == 400
    assert client.generate("n=30").status == 200
    reply = client.request("/generate?n=1")
    assert (reply.status, reply.error["code"]) == (429, "quota_exhausted")
    assert 0 < int(reply.headers["Retry-After"]) <= 86_400
    reply = client.post({**order, "n": 1, "destination": "s3://bucket/other"})
    assert (reply.status, reply.error["code"]) == (429, "quota_exhausted")
    assert client.request("/generate?n=51").error["code"] == "over_limit"
    assert Client(client.port, free).generate("n=100").status == 200
    assert json.loads(client.request("/jobs", "GET").body)["jobs"][0]["id"] == identity


def test_a_killed_service_and_a_client_that_leaves(tiny_checkpoint: Path, tmp_path: Path) -> None:
    """The client gets back what was not sent; the kill forgets nothing."""
    file = tmp_path / "keys.json"
    key = make_key(file, "lab", "generate", images_per_day=2000)
    admin = make_key(file, "operator", "admin")

    def left(server: LiveServer) -> int:
        message = Client(server.port, key).request("/generate?n=2000").error["message"]
        return int(message.split()[2])

    def start(name: str) -> LiveServer:
        (tmp_path / name).mkdir()
        folder = str(tiny_checkpoint.parent)
        return LiveServer(tmp_path / name, key=admin, checkpoint_dir=folder, keys_file=str(file))

    server = start("first")
    try:
        assert Client(server.port, key).generate("n=100").status == 200
        server.open_stream(f"n=1800&format=npy HTTP/1.1\r\nAuthorization: Bearer {key}\r\nX: ").close()
        server.wait_until_idle()
        wait_for(lambda: left(server) > 100, "images to be given back")
        before = left(server)
        assert before < 1900
        stream = server.open_stream(f"n=50 HTTP/1.1\r\nAuthorization: Bearer {key}\r\nX: ")
        server.processes()[0].kill()
        stream.close()
    finally:
        server.stop()
    server = start("second")
    try:
        assert left(server) in (before - 50, before)
    finally:
        server.stop()
