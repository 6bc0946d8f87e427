"""Jobs over HTTP on a service with keys: what the holder of one key can do about the jobs of another."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from job_tools import Held, JobClient, Serve, contents, order
from key_tools import make_key
from swift_server import Swift

Log = Callable[[str], JobClient]


@pytest.fixture
def held() -> Held:
    """Return a source that waits before its second batch."""
    return Held(free=1)


@pytest.fixture
def connect(serve_jobs: Serve, held: Held, tmp_path: Path) -> Log:
    """Return a function that gives a client with a key, of one service that takes one job of each."""
    file = tmp_path / "keys.json"
    scopes = {"anna": ("jobs",), "bert": ("jobs", "generate"), "operator": ("admin",)}
    keys = {name: make_key(file, name, *of) for name, of in scopes.items()}
    port = serve_jobs(held, keys_file=file, jobs_max_open=1).port
    return lambda name: JobClient(port, keys[name])


def test_a_job_of_another_is_not_there(connect: Log, bucket: str, held: Held) -> None:
    anna, bert, operator = connect("anna"), connect("bert"), connect("operator")
    identity = anna.created(order(f"s3://{bucket}/of-anna"), **{"Idempotency-Key": "1"})
    unknown = "0" * 32
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/resume"), ("POST", "/abandon")):
        reply = bert.request(f"/jobs/{identity}{path}", method)
        like = bert.request(f"/jobs/{unknown}{path}", method)
        assert (reply.status, reply.error["code"]) == (404, "unknown_job")
        assert reply.error["message"] == like.error["message"].replace(unknown, identity)
    reply = bert.request(f"/jobs?before={identity}", "GET")
    assert (reply.status, reply.error["code"]) == (400, "invalid_parameter")
    assert json.loads(bert.request("/jobs", "GET").body) == {"jobs": [], "next": None}
    # Neither its idempotency key nor a clash tells what it is.
    reply = bert.post(order(f"s3://{bucket}/of-anna/below"), **{"Idempotency-Key": "1"})
    assert (reply.status, reply.error["code"]) == (409, "destination_in_use")
    assert identity not in reply.error["message"]
    assert f"s3://{bucket}/of-anna " not in reply.error["message"]
    assert anna.job(identity)["state"] in ("queued", "running")
    own = bert.created(order(f"s3://{bucket}/of-bert"), **{"Idempotency-Key": "1"})
    assert own != identity
    # Each has a quota of one, and the other's job does not count.
    reply = anna.post(order(f"s3://{bucket}/of-anna-2"))
    assert (reply.status, reply.error["code"]) == (429, "too_many_jobs_of_caller")
    assert int(reply.headers["Retry-After"]) > 0
    listed = json.loads(operator.request("/jobs", "GET").body)["jobs"]
    assert [(job["id"], job["owner"]) for job in listed] == [(own, "bert"), (identity, "anna")]
    assert [job["id"] for job in json.loads(anna.request("/jobs", "GET").body)["jobs"]] == [identity]
    held.release()
    for client, job in ((anna, identity), (bert, own)):
        client.wait_for_state(job, "complete")
    assert operator.cancel(own).error["code"] == "job_complete"


def test_ten_failed_jobs_are_in_nobodys_way(
    connect: Log, bucket: str, swift_server: Swift, held: Held
) -> None:
    """Neither in that of their owner, nor of others, though what they wrote cannot be removed."""
    anna, bert = connect("anna"), connect("bert")
    gone = [anna.created(order("s3://jobs-99/gone-0"))]
    anna.wait_for_state(gone[0], "failed")
    for number in range(1, 10):
        gone.append(anna.created(order(f"s3://jobs-99/gone-{number}")))
        anna.wait_for_state(gone[-1], "failed")
    assert anna.cancel(gone[0]).status == 202
    anna.wait_for_state(gone[0], "cancel_failed")
    held.release()
    anna.wait_for_state(anna.created(order(f"s3://{bucket}/set")), "complete")
    reply = anna.post(order("s3://jobs-99/gone-1"))
    assert (reply.status, reply.error["code"]) == (409, "destination_in_use")
    assert f"POST /jobs/{gone[1]}/abandon" in reply.error["message"]
    for identity in gone[:2]:
        for _ in range(2):
            reply = anna.request(f"/jobs/{identity}/abandon")
            assert (reply.status, json.loads(reply.body)["state"]) == (200, "abandoned")
        assert anna.cancel(identity).status == 200
        assert anna.resume(identity).error["code"] == "job_not_failed"
    # To others their destinations are free.
    taken = bert.created(order("s3://jobs-99/gone-2"))
    assert anna.job(gone[2])["state"] == "abandoned"
    assert "another job has its destination now" in anna.job(gone[2])["errors"][-1]["message"]
    bert.wait_for_state(taken, "failed")
    reply = anna.request(f"/jobs/{anna.created(order(f's3://{bucket}/more'))}/abandon")
    assert (reply.status, reply.error["code"]) == (409, "job_not_failed")
    assert "set/manifest.json" in contents(swift_server, bucket)
