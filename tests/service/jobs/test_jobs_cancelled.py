"""Cancelled jobs, against a real Swift server: what is removed, and what stays."""

from __future__ import annotations

import pytest
from job_tools import Held, Serve, contents, open_uploads, order
from live_server import wait_for
from swift_server import Swift

from endotwin.sets.storage.destination import StorageError
from endotwin.sets.storage.record import read_record


def test_a_cancelled_job_leaves_nothing_behind(
    serve_jobs: Serve, bucket: str, swift_server: Swift, held: Held
) -> None:
    outside = swift_server.client()
    for key in ("sets/keep", "sets/first-of-others/keep", "sets/first/notes.txt"):
        outside.put_object(Bucket=bucket, Key=key, Body=b"precious")
    before = contents(swift_server, bucket)
    client = serve_jobs(held)
    identity = client.created(order(f"s3://{bucket}/sets/first", shard_size=16))
    wait_for(lambda: client.job(identity)["shards"]["done"] == 1, "the first shard")
    upload = outside.create_multipart_upload(Bucket=bucket, Key="sets/first/train/shard-000003.tar")
    outside.upload_part(
        Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"], PartNumber=1, Body=b"half"
    )  # as a service leaves it that was killed within a large shard
    assert len(contents(swift_server, bucket)) > len(before)
    assert client.cancel(identity).status == 202
    held.release()
    job = client.wait_for_state(identity, "cancelled")
    assert contents(swift_server, bucket) == before
    assert open_uploads(swift_server, bucket) == []
    assert job["shards"]["done"] == 0
    assert client.cancel(identity).status == 200
    reply = client.resume(identity)
    assert (reply.status, reply.error["code"]) == (409, "job_not_failed")


def test_a_cancelled_job_gives_back_the_set_that_it_was_to_grow(
    serve_jobs: Serve, bucket: str, swift_server: Swift, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held(free=10**6)
    client = serve_jobs(held)
    destination = f"s3://{bucket}/set"
    client.wait_for_state(client.created(order(destination, n=60)), "complete")
    before = contents(swift_server, bucket)
    # In order: the last shard of the smaller set is the first to be replaced by a fuller one.
    monkeypatch.setattr("endotwin.sets.make.random.shuffle", lambda groups: None)
    held.free = len(held.calls) + 9
    try:
        identity = client.created(order(destination, n=400))
        wait_for(lambda: client.job(identity)["shards"]["done"] > 3, "two new shards")
        during = contents(swift_server, bucket)
        replaced = "set/train/shard-000002.tar"
        assert during[replaced] != before[replaced]
        assert "set/manifest.json" not in during
        client.cancel(identity)
    finally:
        held.release()
    client.wait_for_state(identity, "cancelled")
    assert contents(swift_server, bucket) == before


def test_what_others_wrote_stays(serve_jobs: Serve, bucket: str, swift_server: Swift, held: Held) -> None:
    client = serve_jobs(held)
    identity = client.created(order(f"s3://{bucket}/set", shard_size=16))
    wait_for(lambda: client.job(identity)["shards"]["done"] == 1, "the first shard")
    own = next(key for key in contents(swift_server, bucket) if "shard" in key)
    # Somebody else makes the same shard, with the same bytes, in the place of the job's.
    there = swift_server.client().get_object(Bucket=bucket, Key=own)
    record = read_record(there["Metadata"])
    assert record.job == identity
    metadata = record.model_copy(update={"job": None}).to_metadata()
    swift_server.client().put_object(Bucket=bucket, Key=own, Body=there["Body"].read(), Metadata=metadata)
    client.cancel(identity)
    held.release()
    client.wait_for_state(identity, "cancelled")
    assert list(contents(swift_server, bucket)) == [own]


def test_a_clean_up_that_fails(
    serve_jobs: Serve, bucket: str, swift_server: Swift, held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = serve_jobs(held)
    identity = client.created(order(f"s3://{bucket}/set", shard_size=16))
    wait_for(lambda: client.job(identity)["shards"]["done"] == 1, "the first shard")
    with monkeypatch.context() as broken:
        broken.setattr("service.jobs.runner.remove_written", fail)
        assert client.cancel(identity).status == 202
        held.release()
        job = client.wait_for_state(identity, "cancel_failed")
    assert "removing it: no" in job["errors"][-1]["message"]
    reply = client.resume(identity)
    assert (reply.status, reply.error["code"]) == (409, "job_not_failed")
    assert f"DELETE /jobs/{identity} tries again" in reply.error["message"]
    reply = client.post(order(f"s3://{bucket}/set"))
    assert (reply.status, reply.error["code"]) == (409, "destination_in_use")
    assert f"DELETE /jobs/{identity} tries again" in reply.error["message"]
    assert client.cancel(identity).status == 202
    client.wait_for_state(identity, "cancelled")
    assert contents(swift_server, bucket) == {}


def fail(*_: object) -> None:
    raise StorageError("removing it: no")
