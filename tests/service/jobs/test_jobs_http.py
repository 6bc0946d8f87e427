"""Jobs over HTTP against a real Swift server: what they write, and what is left when they end."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fake_samplers import FakeSampler
from job_tools import Held, JobClient, Serve, contents, order, undisturbed
from live_server import Client, wait_for
from prometheus_client import REGISTRY
from swift_server import SECRET_KEY, Swift

from endotwin.generator.card import Card
from endotwin.generator.checkpoint import load_checkpoint
from endotwin.generator.sampler import Sampler


@pytest.fixture
def card(tiny_checkpoint: Path) -> Card:
    return load_checkpoint(tiny_checkpoint).card


def test_a_job_writes_the_set_of_the_command_line(
    serve_jobs: Serve, bucket: str, swift_server: Swift, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    checkpoint = load_checkpoint(tiny_checkpoint)
    client = serve_jobs(Sampler(checkpoint))
    images = REGISTRY.get_sample_value("endotwin_job_images_total", {"model": "tiny", "format": "tar"}) or 0
    identity = client.created(order(f"s3://{bucket}/sets/first"))
    job = client.wait_for_state(identity, "complete")
    expected = undisturbed(tmp_path / "undisturbed", checkpoint.card, Sampler(checkpoint))
    assert contents(swift_server, bucket, "sets/first/") == expected
    assert (job["shards"], job["images"]) == ({"done": 5, "total": 5}, {"done": 100, "total": 100})
    assert (job["model"], job["errors"], job["labels"], job["conditions"]) == ("tiny", [], [], {})
    assert job["created"] <= job["started"] <= job["finished"]
    assert REGISTRY.get_sample_value("endotwin_job_images_total", {"model": "tiny", "format": "tar"}) == (
        images + 100
    )
    wait_for(lambda: REGISTRY.get_sample_value("endotwin_jobs", {"state": "complete"}) == 1, "the gauge")
    # The same order again finds everything there, and a larger one what it has in common with it.
    again = client.wait_for_state(client.created(order(f"s3://{bucket}/sets/first")), "complete")
    assert again["shards"]["done"] == 5
    listed = json.loads(client.request("/jobs?limit=1", "GET").body)
    assert [job["id"] for job in listed["jobs"]] == [again["id"]]
    older = json.loads(client.request(listed["next"], "GET").body)
    assert [job["id"] for job in older["jobs"]] == [identity]
    assert older["next"] is None
    reply = client.cancel(identity)
    assert (reply.status, reply.error["code"]) == (409, "job_complete")
    assert contents(swift_server, bucket, "sets/first/") == expected


def test_how_far_a_job_is(serve_jobs: Serve, bucket: str, held: Held) -> None:
    client = serve_jobs(held)
    identity = client.created(order(f"s3://{bucket}/set", n=96, shard_size=16))
    # One batch is made, so one shard is there.
    wait_for(lambda: client.job(identity)["shards"]["done"] == 1, "the first shard")
    job = client.job(identity)
    assert job["state"] == "running"
    assert job["images"] == {"done": 16, "total": 96}
    assert job["images_per_second"] > 0
    assert job["seconds_left"] > 0
    assert job["finished"] is None
    held.release()
    assert client.wait_for_state(identity, "complete")["seconds_left"] is None


def test_the_same_key_gives_the_same_job(serve_jobs: Serve, bucket: str, held: Held) -> None:
    client = serve_jobs(held)
    body, key = order(f"s3://{bucket}/set"), {"Idempotency-Key": "4f8e-1"}
    identity = client.created(body, **key)
    assert client.created(dict(reversed(body.items())), **key) == identity
    reply = client.post({**body, "n": 99}, **key)
    assert (reply.status, reply.error["code"]) == (422, "idempotency_key_reused")
    assert "new one" in reply.error["message"]
    reply = client.post(body)
    assert (reply.status, reply.error["code"]) == (409, "destination_in_use")
    assert identity in reply.error["message"]
    assert client.post(body, **{"Idempotency-Key": "a b"}).status == 400
    held.release()
    client.wait_for_state(identity, "complete")
    assert client.created(body, **key) == identity


def test_storage_that_dies_and_returns(
    serve_jobs: Serve, bucket: str, swift_server: Swift, held: Held, card: Card, tmp_path: Path
) -> None:
    client = serve_jobs(held, storage_patience_seconds=0.5, storage_timeout_seconds=5)
    identity = client.created(order(f"s3://{bucket}/set", shard_size=16))
    wait_for(lambda: client.job(identity)["shards"]["done"] == 1, "the first shard")
    swift_server.kill()
    try:
        held.release()
        job = client.wait_for_state(identity, "failed")
    finally:
        swift_server.start()
    message = job["errors"][-1]["message"]
    assert f"s3://{bucket}/set/" in message
    assert "did not recover in time" in message
    assert any("trying again" in error["message"] for error in job["errors"])
    assert str(swift_server.port) not in json.dumps(job)
    reply = client.post(order(f"s3://{bucket}/set/below"))
    assert (reply.status, reply.error["code"]) == (409, "destination_in_use")
    assert f"POST /jobs/{identity}/resume" in reply.error["message"]
    assert client.resume(identity).status == 202
    job = client.wait_for_state(identity, "complete")
    assert job["errors"][-1]["message"] == message
    expected = undisturbed(tmp_path / "undisturbed", card, Held(free=10**6), shard_size=16)
    assert contents(swift_server, bucket, "set/") == expected


def test_another_set_is_refused_and_stays(serve_jobs: Serve, bucket: str, swift_server: Swift) -> None:
    client = serve_jobs(Held(free=10**6))
    destination = f"s3://{bucket}/set"
    client.wait_for_state(client.created(order(destination)), "complete")
    before = contents(swift_server, bucket)
    identity = client.created(order(destination, seed=8))
    job = client.wait_for_state(identity, "failed")
    assert "another set is there" in job["errors"][-1]["message"]
    assert "seed is 7 there and 8 here" in job["errors"][-1]["message"]
    client.cancel(identity)
    client.wait_for_state(identity, "cancelled")
    assert contents(swift_server, bucket) == before


def test_secrets_stay_inside(
    serve_jobs: Serve,
    bucket: str,
    swift_server: Swift,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    secret = f"not-{SECRET_KEY}-but-a-secret"
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    monkeypatch.setenv("AWS_SESSION_TOKEN", "a-session-token")
    caplog.set_level(logging.DEBUG, logger="endotwin")
    client = serve_jobs(Held(free=10**6))
    identity = client.created(order(f"s3://{bucket}/set"))
    job = client.wait_for_state(identity, "failed")
    assert "AWS_SECRET_ACCESS_KEY" in job["errors"][-1]["message"]
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("jobs.sqlite*"))
    assert identity.encode() in kept
    for value in (secret, "a-session-token", swift_server.endpoint):
        assert value not in json.dumps(job)
        assert value not in caplog.text
        assert value.encode() not in kept


def test_an_error_of_the_service(serve_jobs: Serve, bucket: str, caplog: pytest.LogCaptureFixture) -> None:
    class Broken(FakeSampler):
        def aligned(self, seed: int, block: int) -> np.ndarray:
            raise RuntimeError("a detail that is no business of the client")

    client = serve_jobs(Broken())
    job = client.wait_for_state(client.created(order(f"s3://{bucket}/set")), "failed")
    assert job["errors"][-1]["message"] == "an error of the service; its log says which"
    assert "a detail that is no business" in caplog.text


MISTAKES = {
    "no JSON": (b"{", "application/json", 400, "invalid_body"),
    "a form": (b"n=1", "application/x-www-form-urlencoded", 415, "body_not_json"),
    "too long": (b" " * 70_000, "application/json", 413, "body_too_large"),
    "unknown field": (b'{"count": 1}', "application/json", 400, "unknown_parameter"),
    "missing": (b"{}", "application/json", 400, "invalid_parameter"),
    "elsewhere": (
        b'{"n":1,"seed":7,"destination":"s3://allowed/sets-of-others"}',
        "application/json",
        403,
        "destination_not_allowed",
    ),
    "up": (
        b'{"n":1,"seed":7,"destination":"s3://allowed/sets/../x"}',
        "application/json",
        400,
        "invalid_parameter",
    ),
}


@pytest.fixture
def refusing(serve_jobs: Serve) -> JobClient:
    """Return a service that would fail if it were to do anything."""
    return serve_jobs(Held())


def test_mistakes(refusing: JobClient) -> None:
    for content, kind, status, code in MISTAKES.values():
        reply = refusing.request("/jobs", "POST", content, {"Content-Type": kind})
        assert (reply.status, reply.error["code"]) == (status, code)
        assert reply.headers["Content-Type"] == "application/json"
    for method, path, status, code in (
        ("GET", "/jobs/nope", 404, "unknown_job"),
        ("DELETE", f"/jobs/{'0' * 32}", 404, "unknown_job"),
        ("POST", "/jobs/nope/resume", 404, "unknown_job"),
        ("GET", "/jobs?limit=0", 400, "invalid_parameter"),
        ("GET", "/jobs?limit=1000", 400, "invalid_parameter"),
        ("GET", "/jobs?limit=x", 400, "invalid_parameter"),
        ("GET", "/jobs?before=nope", 400, "invalid_parameter"),
        ("GET", "/jobs?page=1", 400, "unknown_parameter"),
        ("PUT", "/jobs", 405, "method_not_allowed"),
    ):
        reply = refusing.request(path, method)
        assert (reply.status, reply.error["code"]) == (status, code), path
    assert json.loads(refusing.request("/jobs", "GET").body) == {"jobs": [], "next": None}


def test_no_more_jobs_than_allowed(serve_jobs: Serve, bucket: str, held: Held) -> None:
    client = serve_jobs(held, jobs_max_open=1)
    identity = client.created(order(f"s3://{bucket}/one"))
    reply = client.post(order(f"s3://{bucket}/two"))
    assert (reply.status, reply.error["code"]) == (503, "too_many_jobs")
    assert int(reply.headers["Retry-After"]) > 0
    client.cancel(identity)
    held.release()
    client.wait_for_state(identity, "cancelled")


def test_a_service_without_a_store(serve_sampler: Callable[..., Client]) -> None:
    client = JobClient(serve_sampler(Held()).port)
    for reply in (client.post(order("s3://data/set")), client.request("/jobs", "GET"), client.cancel("x")):
        assert (reply.status, reply.error["code"]) == (404, "no_jobs")
        assert "ENDOTWIN_JOBS_STORE" in reply.error["message"]
