"""Stored jobs that cannot be read: shown as failed, and no obstacle to the others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from job_tools import CHECKPOINT, LONG, SPEC, Held, Serve, add_job, order

from endotwin.sets.spec import SetSpec
from endotwin.sets.storage.place import Bucket
from service.jobs.job import State, UnreadableJob
from service.jobs.job_view import view_job
from service.jobs.store import JobStore, OccupiedError

DAMAGE = {
    "state": "paused",
    "destination": "s3://B/../x",
    "spec": SPEC.model_dump_json().replace('"seed":7', '"seed":-7'),
    "created": "yesterday",
    "started": 1e300,
    "finished": float("inf"),
    "counts": '{"shards": NaN}',
    "looked": "perhaps",
    "earlier_n": -5,
}
"""A value for every column that a job is read from, none of which can be read."""


@pytest.mark.parametrize("column", [*DAMAGE, "not UTF-8", "deep", "blob"])
def test_a_job_that_cannot_be_read_has_failed_and_stops_no_other(store: JobStore, column: str) -> None:
    other = {
        "not UTF-8": ("spec", "CAST(x'7bff' AS TEXT)"),
        "deep": ("counts", f"'{'[' * 5000}'"),
        "blob": ("destination", "x'00ff'"),
    }
    bad, good = add_job(store, "bad"), add_job(store, "good")
    name, value = other.get(column, (column, "?"))
    values = [DAMAGE[column]] if column in DAMAGE else []
    store._run(f"UPDATE jobs SET {name} = {value} WHERE id = ?", *values, bad.id)

    shown = store.get(bad.id)
    assert isinstance(shown, UnreadableJob)
    assert (shown.id, shown.state) == (bad.id, State.FAILED)
    assert f"({name}" in shown.why
    views = [view_job(job).model_dump(mode="json") for job in (shown, good)]
    assert views[0].keys() == views[1].keys()
    json.dumps(views, allow_nan=False)
    assert store.newest(9, None) == [good, shown]
    assert store.resume(bad.id, 9) == shown

    taken, token = store.take_to_make([CHECKPOINT], LONG)
    assert taken.id == good.id
    store.release(good.id, token)
    assert store.count()[State.FAILED] == 1
    add_job(store, "elsewhere")

    if name in ("finished", "counts"):  # written when it was taken up and failed
        assert shown.why in store.get(bad.id).counts.errors[-1].message.replace("running", "queued")
    else:
        assert isinstance(store.cancel(bad.id), UnreadableJob)
        assert store.get(bad.id) is None


def test_a_cancelled_job_that_cannot_be_read_stops_no_other(store: JobStore) -> None:
    jobs = [add_job(store, prefix) for prefix in ("bad", "good")]
    for job in jobs:
        _, token = store.take_to_make([CHECKPOINT], LONG)
        store.cancel(job.id)
        store.release(job.id, token)
    store._run("UPDATE jobs SET spec = '{}' WHERE id = ?", jobs[0].id)
    taken, _ = store.take_to_cancel(LONG)
    assert taken.id == jobs[1].id
    assert store.get(jobs[0].id).state is State.FAILED
    with pytest.raises(OccupiedError, match=jobs[0].id):
        add_job(store, "bad/below")


def test_a_stored_job_that_cannot_be_read(
    serve_jobs: Serve, bucket: str, tmp_path: Path, tiny_checkpoint: Path
) -> None:
    """As after an update of the service whose rules for sets are stricter."""
    store = JobStore(tmp_path / "jobs.sqlite")
    usual = {"key": None, "request_sha256": "", "max_open": 9}
    spec = SetSpec(name="old", n=9, seed=7, model="tiny", generator_sha256="0" * 64)
    old = store.add(Bucket(bucket, "old"), spec, **usual)
    store._run("UPDATE jobs SET spec = ? WHERE id = ?", '{"n": 9}', old.id)
    store.close()
    client = serve_jobs(Held(free=10**6))
    identity = client.created(order(f"s3://{bucket}/set"))
    client.wait_for_state(identity, "complete")
    listed = json.loads(client.request("/jobs", "GET").body)["jobs"]
    assert [(job["id"], job["state"]) for job in listed] == [(identity, "complete"), (old.id, "failed")]
    assert "cannot read the job" in listed[1]["errors"][-1]["message"]
    assert client.job(old.id) == listed[1]
    reply = client.resume(old.id)
    assert (reply.status, reply.error["code"]) == (409, "job_unreadable")
    reply = client.post(order(f"s3://{bucket}/old/below"))
    assert (reply.status, reply.error["code"]) == (409, "destination_in_use")
    assert f"DELETE /jobs/{old.id}" in reply.error["message"]
    reply = client.cancel(old.id)
    assert (reply.status, json.loads(reply.body)["state"]) == (200, "cancelled")
    assert client.request(f"/jobs/{old.id}", "GET").status == 404
