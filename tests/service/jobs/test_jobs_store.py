"""The store of jobs: which service has which job, for how long, and what happens when one is killed."""

from __future__ import annotations

import sqlite3
import threading
import time
from pathlib import Path

import pytest
from job_tools import CHECKPOINT, LONG, SPEC, add_job

from endotwin.sets.storage.place import Bucket
from endotwin.settings import SettingsError
from service.jobs.database import _COLUMNS_OF_2
from service.jobs.job import Counts, JobError, State
from service.jobs.store import JobStore, KeyReusedError, OccupiedError, TooManyJobsError


def test_a_job_survives_the_process(store: JobStore, path: Path) -> None:
    job = add_job(store)
    assert (job.state, job.destination, job.spec) == (State.QUEUED, Bucket("bucket", "set"), SPEC)
    again = JobStore(path)
    assert again.get(job.id) == job
    again.close()


def test_writes_are_on_disk_before_they_are_answered(store: JobStore) -> None:
    assert store._run("PRAGMA journal_mode") == [{"journal_mode": "wal"}]
    assert store._run("PRAGMA synchronous") == [{"synchronous": 2}]  # FULL


def test_a_job_is_taken_by_one(store: JobStore, path: Path) -> None:
    other = JobStore(path)
    first, second = add_job(store, "one"), add_job(store, "two")
    taken = [store.take_to_make([CHECKPOINT], LONG), other.take_to_make([CHECKPOINT], LONG)]
    assert [job.id for job, _ in taken] == [first.id, second.id]
    assert all(job.state is State.RUNNING and job.started is not None for job, _ in taken)
    assert store.take_to_make([CHECKPOINT], LONG) is None
    other.close()


def test_threads_that_take_at_once_get_different_jobs(store: JobStore, path: Path) -> None:
    wanted = {add_job(store, f"set-{number}").id for number in range(12)}
    got: list[str] = []

    def take() -> None:
        own = JobStore(path)
        while (taken := own.take_to_make([CHECKPOINT], LONG)) is not None:
            got.append(taken[0].id)
        own.close()

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == sorted(wanted)


def test_a_job_of_a_killed_service_is_taken_over(store: JobStore) -> None:
    job = add_job(store)
    _, lost = store.take_to_make([CHECKPOINT], 0.05)
    time.sleep(0.1)
    taken, token = store.take_to_make([CHECKPOINT], LONG)
    assert taken.id == job.id
    assert token != lost
    # The service that lost the lease can change nothing any more.
    assert store.keep(job.id, lost, LONG, Counts(shards=99)) is None
    store.release(job.id, lost)
    assert not store.end(job.id, lost, State.RUNNING, State.COMPLETE, Counts())
    assert store.get(job.id) == taken
    assert store.end(job.id, token, State.RUNNING, State.COMPLETE, Counts(shards=5))
    assert store.get(job.id).state is State.COMPLETE


def test_a_renewed_lease_holds(store: JobStore) -> None:
    job = add_job(store)
    _, token = store.take_to_make([CHECKPOINT], 0.05)
    assert store.keep(job.id, token, LONG, Counts(shards=2)) is State.RUNNING
    time.sleep(0.1)
    assert store.take_to_make([CHECKPOINT], LONG) is None
    assert store.get(job.id).counts.shards == 2


def test_a_job_of_another_checkpoint_is_left_to_others(store: JobStore) -> None:
    add_job(store)
    assert store.take_to_make(["b" * 64], LONG) is None
    assert store.take_to_make([], LONG) is None
    assert store.take_to_make(["b" * 64, CHECKPOINT], LONG) is not None


def test_a_released_job_goes_on(store: JobStore) -> None:
    job = add_job(store)
    _, token = store.take_to_make([CHECKPOINT], LONG)
    store.release(job.id, token)
    assert store.get(job.id).state is State.QUEUED
    assert store.take_to_make([CHECKPOINT], LONG)[0].id == job.id


def test_cancelling_a_job_that_never_began(store: JobStore) -> None:
    job = add_job(store)
    assert store.cancel(job.id).state is State.CANCELLED
    assert store.cancel(job.id).state is State.CANCELLED
    assert store.take_to_make([CHECKPOINT], LONG) is None
    assert store.take_to_cancel(LONG) is None


def test_cancelling_a_job_that_runs(store: JobStore) -> None:
    job = add_job(store)
    _, token = store.take_to_make([CHECKPOINT], LONG)
    assert store.cancel(job.id).state is State.CANCELLING
    assert store.take_to_cancel(LONG) is None, "it is still being worked on"
    assert store.keep(job.id, token, LONG, None) is State.CANCELLING
    assert not store.end(job.id, token, State.RUNNING, State.COMPLETE, Counts())
    store.release(job.id, token)
    taken, token = store.take_to_cancel(LONG)
    assert store.end(taken.id, token, State.CANCELLING, State.CANCELLED, Counts())
    assert store.cancel(job.id).state is State.CANCELLED


def test_a_failed_job_is_resumed_or_cancelled(store: JobStore) -> None:
    job = add_job(store)
    _, token = store.take_to_make([CHECKPOINT], LONG)
    counts = Counts(shards=1, errors=(JobError(1.5, "writing s3://bucket/x: no"),))
    store.end(job.id, token, State.RUNNING, State.FAILED, counts)
    failed = store.get(job.id)
    assert (failed.state, failed.counts) == (State.FAILED, counts)
    assert failed.finished is not None
    assert store.resume(job.id, 9).state is State.QUEUED
    assert store.get(job.id).finished is None
    _, token = store.take_to_make([CHECKPOINT], LONG)
    store.end(job.id, token, State.RUNNING, State.FAILED, counts)
    assert store.cancel(job.id).state is State.CANCELLING


def test_a_complete_job_stays(store: JobStore) -> None:
    job = add_job(store)
    _, token = store.take_to_make([CHECKPOINT], LONG)
    store.end(job.id, token, State.RUNNING, State.COMPLETE, Counts())
    assert store.cancel(job.id).state is State.COMPLETE
    assert store.resume(job.id, 9).state is State.COMPLETE


def test_an_idempotency_key(store: JobStore) -> None:
    job = add_job(store, key="k")
    assert add_job(store, key="k") == job
    with pytest.raises(KeyReusedError):
        add_job(store, "elsewhere", key="k", request_sha256="2")
    assert store.find("other", "1") is None
    assert len(store.newest(10, None)) == 1


@pytest.mark.parametrize("prefix", ["set", "set/below", "set/below/more"])
def test_two_open_jobs_have_nothing_in_common(store: JobStore, prefix: str) -> None:
    first = add_job(store, "set/below")
    with pytest.raises(OccupiedError) as refusal:
        add_job(store, prefix)
    assert refusal.value.job == first
    add_job(store, "set/below-not")
    store.cancel(first.id)
    add_job(store, "set/below")


def test_no_more_open_jobs_than_allowed(store: JobStore) -> None:
    add_job(store, "one", max_open=2)
    second = add_job(store, "two", max_open=2)
    with pytest.raises(TooManyJobsError):
        add_job(store, "three", max_open=2)
    store.cancel(second.id)
    add_job(store, "three", max_open=2)


def test_the_newest_come_first(store: JobStore) -> None:
    ids = [add_job(store, f"set-{number}").id for number in range(5)]
    assert [job.id for job in store.newest(3, None)] == ids[:1:-1]
    assert [job.id for job in store.newest(9, ids[2])] == ids[1::-1]
    assert store.count()[State.QUEUED] == 5


def test_old_jobs_that_ended_are_forgotten(store: JobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.jobs.store._ENDED_KEPT", 2)
    ids = [store.cancel(add_job(store).id).id for _ in range(4)]
    waiting = add_job(store)
    assert [job.id for job in store.newest(9, None)] == [waiting.id, ids[3], ids[2]]


def test_a_clean_up_that_failed_is_tried_again_and_never_resumed(store: JobStore) -> None:
    job = add_job(store)
    _, token = store.take_to_make([CHECKPOINT], LONG)
    store.cancel(job.id)
    store.release(job.id, token)
    _, token = store.take_to_cancel(LONG)
    assert store.end(job.id, token, State.CANCELLING, State.CANCEL_FAILED, Counts())
    assert store.resume(job.id, 9).state is State.CANCEL_FAILED
    assert store.take_to_make([CHECKPOINT], LONG) is None
    assert store.take_to_cancel(LONG) is None
    with pytest.raises(OccupiedError):
        add_job(store)
    assert store.cancel(job.id).state is State.CANCELLING
    assert store.take_to_cancel(LONG)[0].id == job.id


def test_a_file_that_is_no_store(tmp_path: Path) -> None:
    wrong = tmp_path / "text"
    wrong.write_text("not a database, but long enough to be taken for one by its size" * 100)
    with pytest.raises(SettingsError, match=r"ENDOTWIN_JOBS_STORE: .*text cannot be used"):
        JobStore(wrong)
    with pytest.raises(SettingsError, match="ENDOTWIN_JOBS_STORE"):
        JobStore(tmp_path / "no folder" / "jobs.sqlite")


def test_a_store_of_a_later_version(path: Path) -> None:
    JobStore(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 5")
    connection.close()
    with pytest.raises(SettingsError, match="version 5, and this service knows 4"):
        JobStore(path)


def test_a_store_of_version_3_is_updated(store: JobStore, path: Path) -> None:
    job = add_job(store)
    store._run("ALTER TABLE jobs DROP COLUMN any_shard_size")
    store._run("PRAGMA user_version = 3")
    for _ in range(2):  # only once
        updated = JobStore(path)
        assert updated.newest(9, None) == [job]
        assert not job.any_shard_size
        updated.close()


def make_version_2(store: JobStore) -> None:
    """Turn the file of a store into one as version 2 made it."""
    store._run("ALTER TABLE jobs RENAME TO new_jobs")
    [table] = store._run("SELECT sql FROM sqlite_master WHERE name = 'new_jobs'")
    sql = table["sql"].replace('"new_jobs"', "jobs").replace("owner TEXT NOT NULL,", "")
    sql = sql.replace("taken REAL,", "").replace(",\n    UNIQUE (owner, request_key)", "")
    store._run(sql.replace("request_key TEXT", "request_key TEXT UNIQUE"))
    store._run(f"INSERT INTO jobs ({_COLUMNS_OF_2}) SELECT {_COLUMNS_OF_2} FROM new_jobs")
    store._run("DROP TABLE new_jobs")
    store._run("PRAGMA user_version = 2")


def test_a_store_of_version_1_is_updated(store: JobStore, path: Path) -> None:
    waiting, complete = add_job(store, "waiting"), add_job(store, "complete")
    store._run("UPDATE jobs SET state = 'complete' WHERE id = ?", complete.id)
    make_version_2(store)
    store._run("""UPDATE jobs SET spec = replace(spec, '"generator_sha256":', '"checkpoint_sha256":')""")
    store._run("ALTER TABLE jobs RENAME COLUMN generator_sha256 TO checkpoint_sha256")
    store._run("PRAGMA user_version = 1")
    for _ in range(2):  # only once
        updated = JobStore(path)
        failed = updated.get(waiting.id)
        assert (failed.state, failed.spec) == (State.FAILED, SPEC)
        assert "DELETE it, and ask again" in failed.counts.errors[-1].message
        assert updated.get(complete.id).state is State.COMPLETE
        assert updated.take_to_make([CHECKPOINT], LONG) is None
        updated.close()


def test_a_store_of_version_2_is_updated(store: JobStore, path: Path) -> None:
    jobs = [add_job(store, f"set-{number}", key=f"k{number}") for number in range(3)]
    store.cancel(jobs[2].id)
    running, token = store.take_to_make([CHECKPOINT], LONG)
    stored = store.newest(9, None)
    assert all(job.owner == "" for job in stored)
    make_version_2(store)
    for _ in range(2):  # only once
        updated = JobStore(path)
        assert updated.newest(9, None) == stored
        assert updated.keep(running.id, token, LONG, None) is State.RUNNING
        assert updated.find("k1", "1") == jobs[1]
        updated.close()
    updated = JobStore(path)
    assert updated.take_to_make([CHECKPOINT], LONG)[0].id == jobs[1].id
    add_job(updated, "another", owner="lab", key="k0")
    assert updated.newest(9, None)[1:] == [updated.get(job.id) for job in stored]
    updated.close()
